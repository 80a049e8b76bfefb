package socketio

import (
	"context"
	"encoding/json"
	"slices"
	"sync/atomic"

	"chatbridge/socketio/engineio"
	"chatbridge/socketio/parser"
)

// Socket is one client in one namespace.
type Socket struct {
	client    *client
	namespace *Namespace
	session   *engineio.Session
	id, pid   string
	data      any
	offset    string
	claimed   string // the pid of its CONNECT
	recovered bool

	disconnected atomic.Bool // it is no longer in the namespace

	// Guarded by Namespace.mu:
	auth  json.RawMessage // nil once forgotten
	rooms []membership
	// places finds a room in rooms once there are many; nil before.
	places map[*room]int
	index  int    // in the namespace's list of all
	mark   uint64 // the last broadcast to several rooms that had it
	done   chan struct{}
}

// membership is a socket's place in a room.
type membership struct {
	room  *room
	index int
}

// ID returns the public id, the sid of the CONNECT packet.
func (s *Socket) ID() string { return s.id }

// PID returns the private id of recovery; empty if recovery is not enabled.
func (s *Socket) PID() string { return s.pid }

// Data returns what OnAuth returned.
func (s *Socket) Data() any { return s.data }

// Namespace returns the socket's namespace.
func (s *Socket) Namespace() *Namespace { return s.namespace }

// Recovered reports whether the session of an earlier connection was restored.
func (s *Socket) Recovered() bool { return s.recovered }

// Offset returns the offset that the client sent with its CONNECT, also when its
// session was not restored; empty if none.
func (s *Socket) Offset() string { return s.offset }

// ClaimedPID returns the private id that the client sent with its CONNECT, also when
// its session was not restored; empty if none.
func (s *Socket) ClaimedPID() string { return s.claimed }

// Handshake returns the first request and the CONNECT payload. Query and Header are
// parsed anew at each call.
func (s *Socket) Handshake() *Handshake {
	h := s.client.handshake.handshake()
	h.PID, h.Offset = s.claimed, s.offset
	s.namespace.mu.Lock()
	defer s.namespace.mu.Unlock()
	if h.Auth = s.auth; h.Auth == nil {
		h.Auth = json.RawMessage("{}")
	}
	return h
}

// ForgetAuth drops the CONNECT payload, which takes memory for as long as the socket
// is connected; Handshake has an empty one from then on.
func (s *Socket) ForgetAuth() {
	s.namespace.mu.Lock()
	defer s.namespace.mu.Unlock()
	s.auth = nil
}

// Transport returns "polling" or "websocket".
func (s *Socket) Transport() string { return s.session.Transport() }

// Load returns what the connection was sent, and what waits for it.
func (s *Socket) Load() engineio.Load { return s.session.Load() }

// Done is closed when the socket is disconnected.
func (s *Socket) Done() <-chan struct{} {
	n := s.namespace
	n.mu.Lock()
	defer n.mu.Unlock()
	if s.done == nil {
		s.done = make(chan struct{})
		if s.disconnected.Load() {
			close(s.done)
		}
	}
	return s.done
}

// Rooms returns the rooms it is in, sorted; its own, of the name of its id, is not
// among them.
func (s *Socket) Rooms() []string {
	s.namespace.mu.Lock()
	defer s.namespace.mu.Unlock()
	names := make([]string, len(s.rooms))
	for i, m := range s.rooms {
		names[i] = m.room.name
	}
	slices.Sort(names)
	return names
}

// Join enters a room; doing so again is a no-op. It returns [ErrTooManyRooms] or
// [ErrClosed].
func (s *Socket) Join(room string) error { return s.namespace.join(s, room) }

// Leave leaves a room.
func (s *Socket) Leave(room string) { s.namespace.leave(s, room) }

// Emit sends an event. Arguments are marshalled as JSON without HTML escapes;
// those of type json.RawMessage pass through, those of type []byte become
// binary attachments. It returns an encoding error or [ErrClosed].
func (s *Socket) Emit(event string, args ...any) error {
	jsonArgs, attachments, err := encodeArgs(args)
	if err != nil {
		return err
	}
	return s.Send(NewBinaryEvent(s.namespace.name, event, attachments, jsonArgs...))
}

// Send queues p. When the queue is full, Options.OnQueueFull decides: the connection
// is closed with a counted reason and [ErrClosed] returned, or p is left out and
// [ErrQueueFull] returned.
func (s *Socket) Send(p *Packet) error {
	if p.namespace != s.namespace.name {
		return ErrNamespace
	}
	return s.send(p)
}

// send queues p as it is.
func (s *Socket) send(p *Packet) error {
	if s.disconnected.Load() {
		return ErrClosed
	}
	switch v := s.session.Offer(&p.message); v {
	case engineio.Queued:
		return nil
	case engineio.Closed:
		return ErrClosed
	default:
		return s.full(p, v)
	}
}

// full calls OnQueueFull for a socket that has no room for p. No lock is held.
func (s *Socket) full(p *Packet, v engineio.Verdict) error {
	if f := s.namespace.server.opts.OnQueueFull; f != nil && f(s, p) {
		return ErrQueueFull
	}
	s.session.CloseNow(v.Reason())
	return ErrClosed
}

// SendPaced is Send that first waits until the queue is no more than a quarter
// full, for long catch-ups. It returns [ErrClosed] or ctx's error.
func (s *Socket) SendPaced(ctx context.Context, p *Packet) error {
	if p.namespace != s.namespace.name {
		return ErrNamespace
	}
	if err := s.session.WaitSpace(ctx, &p.message); err != nil {
		return err
	}
	return s.Send(p)
}

// Pause makes broadcasts skip the socket, until it is called with false; it stays in
// its rooms. The application sends it what it misses with Send.
func (s *Socket) Pause(paused bool) { s.session.Pause(paused) }

// Close closes the connection, and with it the client's sockets in all namespaces,
// after what is queued was written and without a packet: the client comes back by
// itself.
func (s *Socket) Close(reason Reason) { s.session.Close(reason) }

// Disconnect sends a DISCONNECT packet: the client leaves this namespace and does
// not come back by itself. The connection stays open.
func (s *Socket) Disconnect() {
	if s.disconnected.Load() {
		return
	}
	text := parser.Append(nil, parser.Packet{Type: parser.Disconnect, Namespace: s.namespace.name})
	s.session.Send(engineio.NewMessage(text))
	s.client.disconnect(s, engineio.ServerDisconnect)
}
