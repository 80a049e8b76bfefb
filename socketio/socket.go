package socketio

import (
	"context"
	"encoding/json"
)

// Socket is one client in one namespace.
type Socket struct{}

// ID returns the public id, the sid of the CONNECT packet.
func (s *Socket) ID() string { return "" }

// PID returns the private id of recovery; empty without recovery.
func (s *Socket) PID() string { return "" }

// Data returns what OnAuth returned.
func (s *Socket) Data() any { return nil }

// Namespace returns the socket's namespace.
func (s *Socket) Namespace() *Namespace { return nil }

// Recovered reports whether the session of an earlier connection was restored.
func (s *Socket) Recovered() bool { return false }

// Offset returns the offset the client handed in, also when its session was not
// restored; empty if none.
func (s *Socket) Offset() string { return "" }

// SavedRooms returns the rooms of the restored session (Recovery.External: the
// application joins them).
func (s *Socket) SavedRooms() []string { return nil }

// Handshake returns what the client said when it connected. Query and Header are
// parsed anew at each call: keep what is needed often.
func (s *Socket) Handshake() *Handshake { return nil }

// Transport returns "polling" or "websocket".
func (s *Socket) Transport() string { return "" }

// Done is closed when the socket has ended.
func (s *Socket) Done() <-chan struct{} { return nil }

// Rooms returns the rooms it is in, sorted.
func (s *Socket) Rooms() []string { return nil }

// Join enters a room; doing so again is a no-op. It returns [ErrTooManyRooms] or
// [ErrClosed].
func (s *Socket) Join(room string) error { return nil }

// Leave leaves a room.
func (s *Socket) Leave(room string) {}

// Emit sends an event. Arguments are marshalled as JSON without HTML escapes;
// those of type json.RawMessage pass through, those of type []byte become
// binary attachments.
func (s *Socket) Emit(event string, args ...any) error { return nil }

// EmitAck sends an event and waits for the client's acknowledgement: its
// arguments, ctx's error, or [ErrClosed].
func (s *Socket) EmitAck(ctx context.Context, event string, args ...any) ([]json.RawMessage, error) {
	return nil, nil
}

// Send queues p. When the queue is full the connection is closed with a counted
// reason and [ErrClosed] returned.
func (s *Socket) Send(p *Packet) error { return nil }

// SendPaced is Send that first waits until the queue is no more than a quarter
// full, for long catch-ups. It returns [ErrClosed] or ctx's error.
func (s *Socket) SendPaced(ctx context.Context, p *Packet) error { return nil }

// Close closes the transport, and with it all namespaces of the client, without
// a packet: the client comes back by itself.
func (s *Socket) Close(reason Reason) {}

// Disconnect sends a DISCONNECT packet: the client leaves this namespace and does
// not come back by itself. The transport stays open.
func (s *Socket) Disconnect() {}
