package api

// JudgeTyping returns the code for which a notice is dropped, "" for none.
func JudgeTyping(s *Server, workspace, conversation string) string {
	if f := s.judgeTyping(workspace, conversation); f != nil {
		return f.Code
	}
	return ""
}
