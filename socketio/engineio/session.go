package engineio

import (
	"container/list"
	"net/http"
	"net/netip"
	"sync"
	"time"
)

// Session is one client, whatever its transport. Its methods may be called from any
// goroutine.
type Session struct {
	server   *Server
	id       string
	address  netip.Addr // what it is counted under; see hosts
	receiver Receiver
	writer   *writer

	// receiving is held while the receiver has a message, so that a polling body
	// and an upgraded connection cannot deliver at the same time.
	receiving sync.Mutex
	inbound   bucket // guarded by mu

	mu       sync.Mutex
	state    state
	reason   Reason
	standing Standing
	ws       *wsConn  // nil while the transport is polling
	polls    *polling // nil if the session never was on polling
	done     chan struct{}

	// The outbound queue. depth and size count the messages and bytes that are
	// queued or being written to a client that is slow to read.
	queue []*Message
	depth int
	size  int
	since time.Duration // when the oldest of queue came
	taken uint64        // messages that were taken off it, to be written

	// listed: the session is on its writer's list. writeOwned: one goroutine alone
	// may write, the one that opens the transport or that of drain; the writer
	// skips the session meanwhile.
	listed, writeOwned bool
	// round is when the writer's latest round began that wrote something; of the writer.
	round time.Duration

	paused bool          // OfferBroadcast skips the session
	space  chan struct{} // closed when the queue has room again; nil unless WaitSpace runs

	beat heartbeat

	anonymous *list.Element // in admission.anonymous; guarded by admission.mu
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

// Closed reports whether the session is closed.
func (s *Session) Closed() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.state == stateClosed
}

// Done is closed with the session.
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

// handle serves one packet of the client; false means that no more shall be read.
func (s *Session) handle(p Packet) bool {
	now := s.server.now()
	s.mu.Lock()
	if s.state == stateClosed {
		s.mu.Unlock()
		return false
	}
	s.beat.lastPacket = now
	allowed := s.inbound.take(s.server.limits.Load().InboundPacketsPerSecond, 0, now)
	if p.Type == PacketPong && allowed && s.state == stateOpen {
		s.pong(now)
	}
	s.mu.Unlock()
	s.server.packetsIn.Add(1)
	s.server.bytesIn.Add(uint64(len(p.Data)))
	if !allowed {
		s.CloseNow(RateLimit)
		return false
	}
	switch p.Type {
	case PacketMessage:
		s.receiving.Lock()
		defer s.receiving.Unlock()
		s.receiver.Message(p.Data, p.Binary)
	case PacketPing: // in this protocol the server pings
		s.CloseNow(TransportError)
		return false
	case PacketClose:
		s.CloseNow(ClientClose)
		return false
	}
	return true
}

// countPacket counts something else than a packet that the client sent as one, and
// reports whether it is within the limit.
func (s *Session) countPacket() bool {
	now := s.server.now()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.beat.lastPacket = now
	return s.inbound.take(s.server.limits.Load().InboundPacketsPerSecond, 0, now)
}

// begin makes the session known once its transport stands: to the handler, to the
// heartbeat and in the server's table.
func (s *Session) begin(r *http.Request) {
	s.server.connects.Add(1)
	s.inbound.tokens = float64(s.server.limits.Load().InboundPacketsPerSecond)
	s.SetStanding(Anonymous) // from here on it may be closed for another
	receiver := s.server.handler.Open(s, r)
	s.mu.Lock()
	s.receiver = receiver
	closed, reason := s.state == stateClosed, s.reason
	if !closed {
		s.startHeartbeat()
	}
	s.mu.Unlock()
	if closed {
		s.server.goroutines.Go(func() { receiver.Close(reason) })
	}
	if !s.server.register(s) {
		s.CloseNow(Shutdown)
	} else if closed {
		s.server.unregister(s)
	}
}
