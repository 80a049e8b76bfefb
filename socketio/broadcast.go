package socketio

import "chatbridge/socketio/engineio"

// Broadcast sends p once to each socket that is in at least one of the rooms;
// without rooms to all. The id of a socket is a room of its own. It never blocks on
// a client, and returns the number of sockets it was queued for: none for a packet
// of another namespace.
func (n *Namespace) Broadcast(p *Packet, rooms ...string) int {
	if n.wrongNamespace(p) {
		return 0
	}
	n.mu.Lock()
	b := broadcast{packet: p}
	switch len(rooms) {
	case 0:
		b.toRoom(&n.all)
	case 1:
		b.toNamed(n, n.rooms[rooms[0]], rooms[0])
	default:
		n.epoch++
		b.mark = n.epoch
		for _, name := range rooms {
			b.toNamed(n, n.rooms[name], name)
		}
	}
	n.mu.Unlock()
	return b.finish(n)
}

// BroadcastTo is Broadcast by handles. Without any it sends to no socket.
func (n *Namespace) BroadcastTo(p *Packet, rooms ...*Room) int {
	if n.wrongNamespace(p) {
		return 0
	}
	n.mu.Lock()
	b := broadcast{packet: p}
	if len(rooms) > 1 {
		n.epoch++
		b.mark = n.epoch
	}
	for _, r := range rooms {
		b.toNamed(n, r.resolve(), r.name)
	}
	n.mu.Unlock()
	return b.finish(n)
}

// broadcast is one packet on its way to many sockets, with Namespace.mu held.
type broadcast struct {
	packet *Packet
	mark   uint64 // what marks the sockets that had it; zero if rooms cannot overlap
	sent   int
	full   []fullSocket // sockets that had no room for it
}

type fullSocket struct {
	socket  *Socket
	verdict engineio.Verdict
}

// toNamed sends to a room or, if that is nil, to the socket whose id is the name.
func (b *broadcast) toNamed(n *Namespace, r *room, name string) {
	if r == nil {
		if s := n.sockets[name]; s != nil {
			b.to(s, s.session)
		}
		return
	}
	b.toRoom(r)
}

func (b *broadcast) toRoom(r *room) {
	for _, m := range r.members {
		b.to(m.socket, m.session)
	}
}

func (b *broadcast) to(s *Socket, session *engineio.Session) {
	if b.mark != 0 {
		if s.mark == b.mark {
			return
		}
		s.mark = b.mark
	}
	switch v := session.OfferBroadcast(&b.packet.message); v {
	case engineio.Queued:
		b.sent++
	case engineio.FullPackets, engineio.FullBytes:
		b.full = append(b.full, fullSocket{s, v})
	}
}

// finish calls OnQueueFull for those that had no room, without the lock.
func (b *broadcast) finish(n *Namespace) int {
	for _, r := range b.full {
		_ = r.socket.full(b.packet, r.verdict) // the error is for Send
	}
	if w := b.packet.message.Watched(); w != nil {
		w.Queued(b.sent)
	}
	n.server.broadcasts.Add(1)
	n.server.broadcastTargets.Add(uint64(b.sent))
	return b.sent
}

// wrongNamespace reports whether p is of another namespace, and logs that.
func (n *Namespace) wrongNamespace(p *Packet) bool {
	if p.namespace == n.name {
		return false
	}
	n.server.opts.Logger.Error("broadcast a packet of another namespace: it is dropped",
		"namespace", n.name, "packet", p.namespace)
	return true
}
