package hub

import (
	"time"

	"chatbridge/bridge/replay"
	"chatbridge/mapping/contract"
	"chatbridge/socketio"
)

// Publish records ev and sends it to the clients that may see it. It waits for
// clients only as publishwait.go says. An event whose position is not past
// the newest one's is dropped and counted: it has been published before, and its
// transaction was read again after the source's connection ended. now is the time
// of publication.
func (h *Hub) Publish(ev *Event, now time.Time) {
	h.lockToPublish()
	defer h.unlock()
	if ev.Position.Compare(h.log.Head()) <= 0 {
		h.stats.Repeated++
		return
	}
	h.stats.Published[ev.Kind]++
	if ev.Kind == contract.Typing {
		if t := h.tenants[string(ev.Workspace)]; t != nil {
			h.broadcast(ev.Packet, t.all)
		}
		return
	}
	h.awaitReaders(ev.Packet.Size()) // unlocks meanwhile
	t := h.tenantOf(ev.Workspace)
	before := h.log.Head()
	h.publishing = replay.Place{Position: before, Next: h.log.Append(t.space, replay.Event{
		Position: ev.Position, Kind: ev.Kind, Conversation: ev.Conversation,
		Message: ev.Message, Of: ev.Of, Packet: ev.Packet, Other: ev.Other, Again: ev.Again, Created: ev.Created,
	}, now)}
	h.headCommit = ev.Commit
	h.headHasMoved(now)
	if len(t.clients) == 0 {
		return
	}
	h.sending.Store(ev.Packet)
	defer h.sending.Store(nil)
	if ev.Kind != contract.Message {
		h.namespace.BroadcastTo(ev.Packet, t.all)
		return
	}
	r := t.rooms[string(ev.Conversation)]
	if r != nil {
		h.namespace.BroadcastTo(ev.Packet, t.open.own, r.room.own)
	} else {
		h.namespace.BroadcastTo(ev.Packet, t.open.own)
	}
	if t.named > 0 {
		h.publishNamed(t, r, ev)
	}
}

// publishNamed sends a message to the clients that are given messages under
// ChatEngine's ids. A client whose Naming keeps the row's own id, because the row is
// older than Naming.Created, reads the message from the log, under that id.
func (h *Hub) publishNamed(t *tenant, r *conversationRoom, ev *Event) {
	p := ev.Packet
	if len(ev.Other) > 0 {
		p = replay.Renamed(p, string(ev.Other))
		p.Watch(ev.Packet.Watched())
		for c := range t.clients {
			if ev.Again && c.live && c.Names.Other && !c.Names.Applies(ev.Position, true, ev.Created) {
				h.leaveLive(c, h.publishing)
				h.startPump(c)
			}
		}
	}
	h.sending.Store(p)
	if r != nil {
		h.namespace.BroadcastTo(p, t.open.other, r.room.other)
	} else {
		h.namespace.BroadcastTo(p, t.open.other)
	}
}

// broadcast sends a packet that is not in the log. mu must be held.
func (h *Hub) broadcast(p *socketio.Packet, rooms ...*socketio.Room) {
	h.publishing = h.headPlace()
	h.sending.Store(p)
	defer h.sending.Store(nil)
	h.namespace.BroadcastTo(p, rooms...)
}

// headPlace returns the head of the log, the place of a live client. mu must be held.
func (h *Hub) headPlace() replay.Place {
	return replay.Place{Next: h.log.Sequence(), Position: h.log.Head()}
}

// Broadcast sends a packet that is no change of the database, such as a typing
// notice from a client, to every client of the workspace that is live.
func (h *Hub) Broadcast(workspace string, p *socketio.Packet) { h.BroadcastBeside(nil, workspace, p) }

// BroadcastBeside is Broadcast, and reports whether c, which may be nil, was among them.
func (h *Hub) BroadcastBeside(c *Client, workspace string, p *socketio.Packet) (reached bool) {
	defer h.lockInTurn(workspace)()
	if t := h.tenants[workspace]; t != nil {
		h.broadcast(p, t.all)
	}
	return c != nil && !c.gone && c.live
}

// BroadcastMessage is Broadcast to the clients that are sent the messages of a
// conversation, and reports whether c, which may be nil, was among them.
func (h *Hub) BroadcastMessage(c *Client, workspace, conversation string, p *socketio.Packet) (reached bool) {
	defer h.lockInTurn(workspace)()
	t := h.tenants[workspace]
	if t == nil {
		return false
	}
	rooms := []*socketio.Room{t.open.own, t.open.other}
	if r := t.rooms[conversation]; r != nil {
		rooms = append(rooms, r.room.own, r.room.other)
	}
	h.broadcast(p, rooms...)
	return c != nil && !c.gone && c.live && c.sees(conversation, h.log.Sequence())
}

// QueueFull is called by the Socket.IO server for a client whose queue has no room
// for p, and reports whether the client may stay. If p is a broadcast, the client
// leaves the broadcasts and reads on from the log at its own pace; if p is its
// pump's, the pump sends it again. If p is an answer to the client's own event, the
// client is to be closed.
func (h *Hub) QueueFull(c *Client, p *socketio.Packet) bool {
	if h.sending.Load() != p {
		return c.paced.Load() == p
	}
	// mu is held: broadcasts are sent under it.
	if c.gone || !c.live {
		return true
	}
	h.leaveLive(c, h.publishing)
	h.stats.CatchUps[catchUpLag]++
	h.startPump(c)
	return true
}
