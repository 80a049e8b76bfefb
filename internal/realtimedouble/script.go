package realtimedouble

import (
	"sync"
	"time"

	"github.com/gorilla/websocket"
)

// JoinScript is what is to happen to a join; the zero value is a good one.
type JoinScript struct {
	// Delay is the wait before the answer; the connection is blocked
	// meanwhile. Never means that no answer comes (and the connection goes
	// on).
	Delay time.Duration
	Never bool
	// Error refuses the join for this reason.
	Error string
	// SystemDelay is the wait before the subscription is confirmed,
	// SystemNever that it never is although changes flow to others.
	SystemDelay time.Duration
	SystemNever bool
	// SystemErrors are sent before the subscription is confirmed, as the
	// server does when it tries again; SystemFinal is the last thing said.
	SystemErrors []string
	SystemFinal  string
}

// script is what tests ask the server to do wrong.
type script struct {
	mu      sync.Mutex
	status  int
	body    string
	refused int
	muted   bool
	silent  bool
	swallow int
	joins   func(topic string) JoinScript
	connSeq int
	expired map[string]bool
	// mintedTokens are the gateway's that ExpireMinted has not ended yet.
	mintedTokens []string
}

func (s *script) refusal() (int, string, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.status == 0 {
		return 0, "", false
	}
	s.refused++
	return s.status, s.body, true
}

func (s *script) isMuted() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.muted
}

// loses reports whether a change is to be lost.
func (s *script) loses() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.swallow > 0 {
		s.swallow--
		return true
	}
	return s.silent
}

func (s *script) join(topic string) JoinScript {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.joins == nil {
		return JoinScript{}
	}
	return s.joins(topic)
}

func (s *script) nextConn() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.connSeq++
	return s.connSeq
}

// Refuse has handshakes refused with the status and body; 0 admits them
// again.
func (s *Server) Refuse(status int, body string) {
	s.script.mu.Lock()
	defer s.script.mu.Unlock()
	s.script.status, s.script.body = status, body
}

// Refused returns how many handshakes Refuse has refused.
func (s *Server) Refused() int {
	s.script.mu.Lock()
	defer s.script.mu.Unlock()
	return s.script.refused
}

// Mute makes the open connections half open: nothing is answered or sent.
func (s *Server) Mute(on bool) {
	s.script.mu.Lock()
	defer s.script.mu.Unlock()
	s.script.muted = on
}

// Silence makes the server deaf to the database behind live sockets: joins,
// confirmations and heartbeats go on, changes are lost.
func (s *Server) Silence(on bool) {
	s.script.mu.Lock()
	defer s.script.mu.Unlock()
	s.script.silent = on
}

// Swallow loses the next n changes.
func (s *Server) Swallow(n int) {
	s.script.mu.Lock()
	defer s.script.mu.Unlock()
	s.script.swallow = n
}

// OnJoin scripts the joins from now on; nil makes them good.
func (s *Server) OnJoin(fn func(topic string) JoinScript) {
	s.script.mu.Lock()
	defer s.script.mu.Unlock()
	s.script.joins = fn
}

// Expire has a token expire now, whatever its claims say.
func (s *Server) Expire(token string) {
	s.script.mu.Lock()
	if s.script.expired == nil {
		s.script.expired = map[string]bool{}
	}
	s.script.expired[token] = true
	s.script.mu.Unlock()
	s.each(func(c *conn) {
		for _, ch := range c.list() {
			ch.mu.Lock()
			hit := ch.token == token
			ch.mu.Unlock()
			if hit {
				ch.system(expiredText(0), "error", "system")
				ch.close("phx_close")
			}
		}
	})
}

func (s *script) isExpired(token string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.expired[token]
}

// CloseAll closes every connection with the code.
func (s *Server) CloseAll(code int) {
	s.each(func(c *conn) { c.closeWith(code, "") })
}

// CloseIdle closes every connection as the idle timeout does.
func (s *Server) CloseIdle() { s.CloseAll(websocket.CloseNormalClosure) }

// DropTCP resets every connection.
func (s *Server) DropTCP() { s.each(func(c *conn) { c.abort() }) }

// EndChannels ends every channel with phx_close or phx_error; the connections
// stay.
func (s *Server) EndChannels(event string) {
	s.each(func(c *conn) {
		for _, ch := range c.list() {
			ch.close(event)
		}
	})
}

// ForgetChannels makes the server forget every channel without a word.
func (s *Server) ForgetChannels() {
	s.each(func(c *conn) {
		for _, ch := range c.list() {
			ch.forget()
		}
	})
}

// Resubscribe drops all subscriptions, calls between, and registers them
// again with another confirmation each, as after a change of the
// publication's tables.
func (s *Server) Resubscribe(between func()) {
	var all []*channel
	s.each(func(c *conn) { all = append(all, c.list()...) })
	for _, ch := range all {
		ch.setSubscribed(false)
	}
	if between != nil {
		between()
	}
	s.follow.drain()
	for _, ch := range all {
		ch.setSubscribed(true)
		ch.system("Subscribed to PostgreSQL", "ok", "postgres_changes")
	}
}

// System sends a system message on every channel.
func (s *Server) System(message, status, extension string) {
	s.each(func(c *conn) {
		for _, ch := range c.list() {
			ch.system(message, status, extension)
		}
	})
}

// Inject sends a raw frame to every connection.
func (s *Server) Inject(frame string) {
	s.each(func(c *conn) { c.sendRaw([]byte(frame)) })
}

// Drain waits until everything committed so far has been read from the slot
// and sent or lost.
func (s *Server) Drain() { s.follow.drain() }

func (c *conn) list() []*channel {
	c.mu.Lock()
	defer c.mu.Unlock()
	out := make([]*channel, 0, len(c.channels))
	for _, ch := range c.channels {
		out = append(out, ch)
	}
	return out
}
