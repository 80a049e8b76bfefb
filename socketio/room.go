package socketio

import (
	"slices"

	"chatbridge/socketio/engineio"
)

// room is a set of sockets, in no order. Namespace.mu guards it.
type room struct {
	name    string
	members []member
	empty   bool // it had members once; a new one of the name may exist
}

// member has the session beside the socket: a broadcast touches the first alone.
type member struct {
	socket  *Socket
	session *engineio.Session
}

// add returns the index of the new member.
func (r *room) add(s *Socket) int {
	r.members = append(r.members, member{s, s.session})
	return len(r.members) - 1
}

// remove takes the member at i out, and returns the socket that took its place,
// or nil.
func (r *room) remove(i int) (moved *Socket) {
	last := len(r.members) - 1
	if i != last {
		r.members[i] = r.members[last]
		moved = r.members[i].socket
	}
	r.members[last] = member{}
	r.members = r.members[:last]
	if cap(r.members) > 64 && last < cap(r.members)/4 {
		r.members = slices.Clip(slices.Clone(r.members))
	}
	return moved
}

// Room is a handle to a named set of sockets, see [Namespace.Room].
type Room struct {
	namespace *Namespace
	name      string
	room      *room // guarded by Namespace.mu; nil or stale when empty
}

// Room returns a handle that saves Broadcast the look-up by name. It stays valid
// when the room empties and fills again.
func (n *Namespace) Room(name string) *Room { return &Room{namespace: n, name: name} }

// Name returns the room's name.
func (r *Room) Name() string { return r.name }

// Len returns the number of sockets in it.
func (r *Room) Len() int {
	n := r.namespace
	n.mu.Lock()
	defer n.mu.Unlock()
	if room := r.resolve(); room != nil {
		return len(room.members)
	}
	return 0
}

// resolve returns the room, or nil if it is empty. Namespace.mu is held.
func (r *Room) resolve() *room {
	if r.room == nil || r.room.empty {
		r.room = r.namespace.rooms[r.name]
	}
	return r.room
}

// join adds a socket to a room.
func (n *Namespace) join(s *Socket, name string) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if s.disconnected.Load() {
		return ErrClosed
	}
	r := n.rooms[name]
	if name == s.id || r != nil && s.in(r) >= 0 {
		return nil
	}
	if limit := n.server.opts.MaxRooms; limit > 0 && len(s.rooms) >= limit {
		n.server.joinsRefused.Add(1)
		return ErrTooManyRooms
	}
	if r == nil {
		r = &room{name: name}
		n.rooms[name] = r
	}
	s.rooms = append(s.rooms, membership{r, r.add(s)})
	s.place(len(s.rooms) - 1)
	return nil
}

// manyRooms is how many rooms of a socket are searched one by one.
const manyRooms = 16

// in returns the index of a room among the socket's, or -1.
func (s *Socket) in(r *room) int {
	if s.places != nil {
		if i, ok := s.places[r]; ok {
			return i
		}
		return -1
	}
	return slices.IndexFunc(s.rooms, func(m membership) bool { return m.room == r })
}

// place notes where the i-th room is, once there are many.
func (s *Socket) place(i int) {
	switch {
	case s.places != nil:
		s.places[s.rooms[i].room] = i
	case len(s.rooms) > manyRooms:
		s.places = make(map[*room]int, 2*manyRooms)
		for j, m := range s.rooms {
			s.places[m.room] = j
		}
	}
}

func (n *Namespace) leave(s *Socket, name string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	r := n.rooms[name]
	if r == nil {
		return
	}
	if i := s.in(r); i >= 0 {
		n.leaveAt(s, i)
	}
}

// leaveAt takes a socket out of the i-th of its rooms.
func (n *Namespace) leaveAt(s *Socket, i int) {
	m := s.rooms[i]
	last := len(s.rooms) - 1
	s.rooms[i] = s.rooms[last]
	s.rooms[last] = membership{}
	s.rooms = s.rooms[:last]
	if s.places != nil {
		delete(s.places, m.room)
		if i < last {
			s.places[s.rooms[i].room] = i
		}
	}
	if moved := m.room.remove(m.index); moved != nil {
		moved.rooms[moved.in(m.room)].index = m.index
	}
	if len(m.room.members) == 0 {
		m.room.empty = true
		delete(n.rooms, m.room.name)
	}
}
