package socketio

// Room is a handle to a named set of sockets, see [Namespace.Room].
type Room struct{}

// Name returns the room's name.
func (r *Room) Name() string { return "" }

// Len returns the number of sockets in it.
func (r *Room) Len() int { return 0 }
