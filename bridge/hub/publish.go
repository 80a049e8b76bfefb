package hub

import (
	"time"

	"chatbridge/bridge/replay"
	"chatbridge/mapping/contract"
	"chatbridge/socketio"
)

// Publish records ev and sends it to the clients that may see it. It waits for
// none of them but as [Hub] says under "Pausing". An event whose position is not
// past the newest one's is dropped and counted: it is of a transaction that the
// source had to begin again after its connection ended, and has been published
// before.
func (h *Hub) Publish(ev *Event, now time.Time) {
	h.lock()
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
	h.awaitReaders(ev.Packet.Size()) // gives the lock up
	t := h.tenantOf(ev.Workspace)
	before := h.log.Head()
	h.publishing = replay.Place{Position: before, Next: h.log.Append(t.space, replay.Event{
		Position: ev.Position, Kind: ev.Kind, Conversation: ev.Conversation,
		Message: ev.Message, Packet: ev.Packet,
	}, now)}
	if len(t.clients) == 0 {
		return
	}
	h.sending.Store(ev.Packet)
	defer h.sending.Store(nil)
	if ev.Kind != contract.Message {
		h.namespace.BroadcastTo(ev.Packet, t.all)
	} else if r := t.rooms[string(ev.Conversation)]; r != nil {
		h.namespace.BroadcastTo(ev.Packet, t.open, r.room)
	} else {
		h.namespace.BroadcastTo(ev.Packet, t.open)
	}
}

// broadcast sends a packet that is not in the log. mu must be held.
func (h *Hub) broadcast(p *socketio.Packet, rooms ...*socketio.Room) {
	h.publishing = h.here()
	h.sending.Store(p)
	defer h.sending.Store(nil)
	h.namespace.BroadcastTo(p, rooms...)
}

// here is the place of a live client.
func (h *Hub) here() replay.Place {
	return replay.Place{Next: h.log.Sequence(), Position: h.log.Head()}
}

// Whisper sends a packet that is no change of the database, such as a typing
// notice from a client, to every client of the workspace that is live.
func (h *Hub) Whisper(workspace string, p *socketio.Packet) {
	h.lock()
	defer h.unlock()
	if t := h.tenants[workspace]; t != nil {
		h.broadcast(p, t.all)
	}
}

// QueueFull takes a client whose queue has no room for p out of the broadcasts and
// lets it read on from the log, at its own pace. It is called by the Socket.IO
// server, and reports that the client is dealt with. Only a broadcast can be
// made up for from the log, and what the client's own pump sends is sent
// again; a client that does not even take the answers to its own events is
// closed.
func (h *Hub) QueueFull(c *Client, p *socketio.Packet) bool {
	if h.sending.Load() != p {
		return c.paced.Load() == p
	}
	// Broadcasts are sent under mu, so it is held.
	if c.gone || !c.live {
		return true
	}
	h.pauseAt(c, h.publishing)
	h.stats.CatchUps[catchUpLag]++
	h.feed(c)
	return true
}
