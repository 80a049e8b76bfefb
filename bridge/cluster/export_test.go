package cluster

// EncodeNotice and DecodeNotice are the code of notices.
func EncodeNotice(n Notice) []byte { return n.encode() }

func DecodeNotice(data []byte) (Notice, error) { return decodeNotice(data) }
