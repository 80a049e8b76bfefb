package engineio

import (
	"net/http"
	"sync"
	"time"
)

// Session is one client, whatever its transport.
type Session struct {
	server   *Server
	id       string
	address  string // for the limit per address
	receiver Receiver
	writer   *writer

	// receiving is held while the receiver has a message, so that a polling body
	// and an upgraded connection cannot deliver at the same time.
	receiving sync.Mutex
	inbound   bucket // guarded by mu

	mu     sync.Mutex
	state  state
	reason Reason
	ws     *wsConn  // nil while the transport is polling
	polls  *polling // nil if the session never was on polling
	done   chan struct{}

	// The outbound queue. depth and size count what is queued, and what a slow
	// client keeps from being written.
	queue []*Message
	depth int
	size  int
	since time.Duration // when the oldest of queue came
	ready bool          // the writer has it on its list
	held  bool          // a goroutine of its own has the wire: opening, or drain
	// paused: messages for many pass it over.
	paused bool
	space  chan struct{} // closed when the queue has room again; nil when nobody waits

	beat heartbeat
}

type state uint8

const (
	stateOpen    state = iota
	stateClosing       // what is queued is still written, nothing is queued any more
	stateClosed
)

// ID returns the session id. Whoever knows it can act for a polling client: do
// not show it to other clients.
func (s *Session) ID() string { return s.id }

// Transport returns "polling" or "websocket".
func (s *Session) Transport() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ws != nil {
		return "websocket"
	}
	return "polling"
}

// Ended reports whether the session has ended.
func (s *Session) Ended() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.state == stateClosed
}

// Done is closed when the session has ended.
func (s *Session) Done() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.done == nil {
		s.done = make(chan struct{})
		if s.state == stateClosed {
			close(s.done)
		}
	}
	return s.done
}

// Close ends the session after what is queued was written, within WriteTimeout.
// The client gets a close packet or frame of the transport, nothing of Socket.IO.
func (s *Session) Close(reason Reason) {
	s.mu.Lock()
	// On polling without a poll there is nobody to tell, and at shutdown no time
	// to wait for the next, also if the session was closing already.
	if s.ws == nil && (s.polls == nil || s.polls.waiting == nil) && reason == Shutdown {
		s.mu.Unlock()
		s.end(reason)
		return
	}
	if s.state != stateOpen {
		s.mu.Unlock()
		return
	}
	s.push(closeMessage)
	s.state, s.reason = stateClosing, reason
	if s.beat.timer != nil {
		s.beat.timer.Reset(s.server.limits.Load().WriteTimeout)
	}
	s.mu.Unlock()
}

// closeMessage ends a transport: a close frame, or a close packet.
var closeMessage = &Message{frames: []byte{opClose, 0}, text: []byte("1")}

// Abort ends the session at once. What is queued is lost. It does not wait for the
// client or the receiver.
func (s *Session) Abort(reason Reason) { s.end(reason) }

// end ends the session at once, with a word to the client where that costs
// nothing.
func (s *Session) end(reason Reason) { s.finish(reason, false) }

// finish ends the session; said tells that a close frame is on its way already.
func (s *Session) finish(reason Reason, said bool) {
	s.mu.Lock()
	if s.state == stateClosed {
		s.mu.Unlock()
		return
	}
	if s.state == stateClosing { // the client's answer may come before our own count
		reason = s.reason
	}
	s.state, s.reason = stateClosed, reason
	s.beat.stop()
	ws, held, receiver := s.ws, s.held, s.receiver
	s.queue, s.inbound = nil, bucket{}
	if s.space != nil {
		close(s.space)
		s.space = nil
	}
	if s.done != nil {
		close(s.done)
	}
	late := false
	if s.polls != nil && ws == nil {
		late = s.polls.end(reason)
		if c := s.polls.candidate; c != nil {
			_ = c.Conn.SetReadDeadline(aLongTimeAgo) // wakes the goroutine that probes it
		}
	}
	s.mu.Unlock()

	s.server.closes[reason].Add(1)
	s.server.admission.release(s.address)
	s.server.forget(s)
	if late {
		s.awaitLatePoll()
	}
	if ws != nil {
		s.server.webSocket.Add(-1)
		s.server.poller.remove(ws)
		s.server.goroutines.run(func() { ws.hangUp(reason, !held && !said, said) })
	} else {
		s.server.polling.Add(-1)
	}
	if receiver != nil { // else begin tells it
		s.server.goroutines.run(func() { receiver.Close(reason) })
	}
}

// aLongTimeAgo is a deadline that has passed.
var aLongTimeAgo = time.Unix(1, 0)

// handle serves one packet of the client; false means that no more shall be read.
func (s *Session) handle(p Packet) bool {
	now := s.server.now()
	s.mu.Lock()
	if s.state == stateClosed {
		s.mu.Unlock()
		return false
	}
	s.beat.heard = now
	allowed := s.inbound.take(s.server.limits.Load().InboundPacketsPerSecond, now)
	if p.Type == PacketPong && allowed && s.state == stateOpen {
		s.pong(now)
	}
	s.mu.Unlock()
	s.server.packetsIn.Add(1)
	s.server.bytesIn.Add(uint64(len(p.Data)))
	if !allowed {
		s.end(RateLimit)
		return false
	}
	switch p.Type {
	case PacketMessage:
		s.receiving.Lock()
		defer s.receiving.Unlock()
		s.receiver.Message(p.Data, p.Binary)
	case PacketPing: // in this protocol the server pings
		s.end(TransportError)
		return false
	case PacketClose:
		s.end(ClientClose)
		return false
	}
	return true
}

// begin opens the session's books once its transport stands: the receiver, the
// table, the heartbeat.
func (s *Session) begin(r *http.Request) {
	s.server.connects.Add(1)
	s.inbound.tokens = float64(s.server.limits.Load().InboundPacketsPerSecond)
	receiver := s.server.handler.Open(s, r)
	s.mu.Lock()
	s.receiver = receiver
	ended, reason := s.state == stateClosed, s.reason
	if !ended {
		s.startHeartbeat()
	}
	s.mu.Unlock()
	if ended {
		s.server.goroutines.run(func() { receiver.Close(reason) })
	}
	if !s.server.register(s) {
		s.end(Shutdown)
	} else if ended {
		s.server.forget(s)
	}
}
