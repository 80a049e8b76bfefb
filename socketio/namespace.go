package socketio

import (
	"context"
	"iter"
)

// Namespace is one of a server's namespaces. Set its callbacks before the first
// request; the rest may be called from any goroutine.
type Namespace struct{}

// Name returns the name, with its leading slash.
func (n *Namespace) Name() string { return "" }

// OnAuth sets the hook that judges each CONNECT. The returned data becomes
// [Socket.Data]. The error refuses: *[ConnectError] for good, [ErrRetry] for
// now. The hook runs on a goroutine of its own; ctx ends with the transport and
// with the connect time-out.
func (n *Namespace) OnAuth(hook func(ctx context.Context, h *Handshake) (data any, err error)) {}

// OnConnect sets the callback for a socket that has joined. The CONNECT packet is
// queued already, so what the callback emits comes after it; no event of the
// client is handled before it returns.
func (n *Namespace) OnConnect(f func(s *Socket)) {}

// OnDisconnect sets the callback for a socket that has gone. Its rooms are gone
// already.
func (n *Namespace) OnDisconnect(f func(s *Socket, reason Reason)) {}

// OnEvent sets the callback for all events of the clients.
func (n *Namespace) OnEvent(f func(s *Socket, e *Event)) {}

// Room returns a handle that saves Broadcast the look-up by name. It stays valid
// when the room empties and fills again.
func (n *Namespace) Room(name string) *Room { return nil }

// Broadcast sends p to the sockets that are in at least one of the rooms, to each
// once; without rooms to all. It never blocks on a client, and returns the number
// of sockets it was queued for.
func (n *Namespace) Broadcast(p *Packet, rooms ...string) int { return 0 }

// BroadcastTo is Broadcast by handles.
func (n *Namespace) BroadcastTo(p *Packet, rooms ...*Room) int { return 0 }

// Sockets iterates over a snapshot of the connected sockets.
func (n *Namespace) Sockets() iter.Seq[*Socket] { return func(func(*Socket) bool) {} }

// Len returns the number of connected sockets.
func (n *Namespace) Len() int { return 0 }
