package engineio

import (
	"testing"
	"time"
)

// AwaitPoll returns when a poll waits for the session. There is no event for that,
// so it looks again and again.
func AwaitPoll(t testing.TB, s *Server, sid string) {
	t.Helper()
	for began := time.Now(); time.Since(began) < 10*time.Second; time.Sleep(time.Millisecond) {
		s.mu.RLock()
		session := s.sessions[sid]
		s.mu.RUnlock()
		if session == nil {
			t.Fatal("the session is gone")
		}
		session.mu.Lock()
		waits := session.polls.waiting != nil
		session.mu.Unlock()
		if waits {
			return
		}
	}
	t.Fatal("no poll came")
}
