package gateway

import (
	"sync"
	"time"
)

const (
	// sessionTime is how long a session that is not heard of is remembered: longer than
	// a poll takes.
	sessionTime = 2 * time.Minute
	// maxSessions and maxSID bound what is remembered, some 10 MB.
	maxSessions = 50_000
	maxSID      = 128
)

// sessions are the sids that ChatEngine has answered polls of: their polls are not
// bounded by what others of the same address send. The zero value is empty.
type sessions struct {
	mu    sync.Mutex
	until map[string]time.Time
	swept time.Time
}

// known reports whether ChatEngine has the session, or had it of late.
func (s *sessions) known(sid string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.until[sid].After(time.Now())
}

// answered notes that ChatEngine has answered a session's request.
func (s *sessions) answered(sid string) {
	now := time.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.until) > 0 && now.Sub(s.swept) > sessionTime {
		s.swept = now
		for sid, until := range s.until {
			if until.Before(now) {
				delete(s.until, sid)
			}
		}
	}
	if _, known := s.until[sid]; !known && len(s.until) >= maxSessions || len(sid) > maxSID {
		return
	}
	if s.until == nil {
		s.until = make(map[string]time.Time)
	}
	s.until[sid] = now.Add(sessionTime)
}
