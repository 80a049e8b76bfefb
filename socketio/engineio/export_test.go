package engineio

import (
	"encoding/binary"
	"testing"
	"time"
)

// AwaitPoll returns when a poll waits for the session.
func AwaitPoll(t testing.TB, s *Server, sid string) {
	t.Helper()
	await(t, s, sid, func(p *polling) bool { return p.waiting != nil })
}

// AwaitPost returns when a body is being read for the session.
func AwaitPost(t testing.TB, s *Server, sid string) {
	t.Helper()
	await(t, s, sid, func(p *polling) bool { return p.stopReading != nil })
}

// await polls: there is no event for these states.
func await(t testing.TB, s *Server, sid string, reached func(p *polling) bool) {
	t.Helper()
	for began := time.Now(); time.Since(began) < 10*time.Second; time.Sleep(time.Millisecond) {
		s.mu.RLock()
		session := s.sessions[sid]
		s.mu.RUnlock()
		if session == nil {
			t.Fatal("the session is gone")
		}
		session.mu.Lock()
		ok := reached(session.polls)
		session.mu.Unlock()
		if ok {
			return
		}
	}
	t.Fatal("it never came")
}

// Frames returns the payloads of a message's WebSocket frames.
func Frames(t testing.TB, m *Message) [][]byte {
	t.Helper()
	var out [][]byte
	for b := m.frames; len(b) > 0; {
		n, header := int(b[1]), 2
		switch n {
		case 126:
			n, header = int(binary.BigEndian.Uint16(b[2:])), 4
		case 127:
			n, header = int(binary.BigEndian.Uint64(b[2:])), 10
		}
		out = append(out, b[header:header+n])
		b = b[header+n:]
	}
	return out
}

// Payload returns a message as it is in a polling body.
func Payload(m *Message) string { return string(appendPayload(nil, m)) }
