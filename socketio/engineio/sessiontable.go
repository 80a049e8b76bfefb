package engineio

import "math/rand/v2"

// register puts an opened session into the table; false means that the server
// has stopped meanwhile.
func (s *Server) register(session *Session) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stopped {
		return false
	}
	s.sessions[session.id] = session
	return true
}

// session returns the session of an id, or nil.
func (s *Server) session(sid string) *Session {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if session := s.sessions[sid]; session != nil {
		return session
	}
	return s.late[sid]
}

// unregister takes a session out of the table.
func (s *Server) unregister(session *Session) {
	s.mu.Lock()
	delete(s.sessions, session.id)
	s.mu.Unlock()
}

// Len returns the number of open sessions.
func (s *Server) Len() int {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return len(s.sessions)
}

// Knows reports whether sid is that of a session of this server, which serves its
// requests.
func (s *Server) Knows(sid string) bool { return s.session(sid) != nil }

// Pick returns up to n sessions chosen at random; all if n is negative.
func (s *Server) Pick(n int) []*Session {
	s.mu.RLock()
	all := make([]*Session, 0, len(s.sessions))
	for _, session := range s.sessions {
		all = append(all, session)
	}
	s.mu.RUnlock()
	rand.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	if n >= 0 && n < len(all) {
		all = all[:n]
	}
	return all
}
