package hub

import (
	"errors"
	"math"
	"time"

	"chatbridge/bridge/replay"
	"chatbridge/internal/retry"
	"chatbridge/socketio"
	"chatbridge/source"
)

const (
	// batch is how many packets a pump takes from the log at a time.
	batch = 64
	// joins bounds the extents that are finished while the lock is held once.
	joins = 16
)

// reading is how far a client has read, and what is left.
type reading struct {
	// live: broadcasts reach it. Otherwise its pump reads the log from main on.
	live bool
	// everything: the main feed includes superseded events.
	everything bool
	// ahead: the pump is to wait until the log reaches the client's claim; waited: it
	// gave up waiting.
	ahead, waited bool
	awaiting      *headWait // set while the pump waits
	main          replay.Place
	// fed is when the pump last took something from the log, or the client stopped being
	// live, whichever is later.
	fed time.Time
	// backlog are the extents that are still to be read, in this order.
	backlog []*extent
	// marks are sent once the client has been sent all that it is owed.
	marks []*socketio.Packet

	pace *pace // of its pump; nil while none runs
}

// startPump starts the goroutine that gives a client what it is owed, unless it
// runs. A client with a backlog is not live meanwhile: all that it gets then comes
// through its pump, in one order, so that no newer status can arrive before an older
// one that the pump is sending. mu must be held.
func (h *Hub) startPump(c *Client) {
	if c.gone {
		return
	}
	c.tenant.safe = 0
	if c.live && len(c.backlog) > 0 {
		h.leaveLive(c, h.headPlace())
	}
	if c.pace != nil || h.running.Err() != nil {
		return
	}
	c.pace = new(pace)
	c.tenant.readers[c] = struct{}{}
	c.pace.begin(time.Now())
	h.stats.Catching++
	socket := c.socket
	h.pumps.Go(func() { h.pump(c, socket) })
}

// leaveLive takes a live client out of the broadcasts; its pump reads on from p.
func (h *Hub) leaveLive(c *Client, p replay.Place) {
	c.fed = time.Now()
	c.live, c.main, c.everything = false, p, true
	c.socket.Pause(true)
}

// pump gives a client what it is owed until there is nothing, the client is gone
// or the Hub stops.
func (h *Hub) pump(c *Client, socket Socket) {
	buf := make([]*socketio.Packet, 0, batch)
	for {
		packets, wait, more := h.next(c, buf[:0])
		if !more {
			if c.Settled != nil {
				c.Settled()
			}
			return
		}
		if c.ahead {
			h.awaitLog(c)
			continue
		}
		if len(c.healing) > 0 {
			if err := h.heal(c, socket); err != nil {
				h.lock()
				h.pumpEnded(c)
				h.unlock()
				return
			}
			continue
		}
		if wait > 0 {
			_ = retry.Sleep(h.running, wait) // if Run has ended, sending fails
		}
		for _, p := range packets {
			if err := h.sendPaced(c, socket, p); err != nil {
				h.lock()
				h.pumpEnded(c)
				h.unlock()
				return
			}
		}
	}
}

// sendPaced sends a packet as soon as the client's queue has room. A broadcast may take
// that room at the last moment; then sendPaced waits again.
func (h *Hub) sendPaced(c *Client, socket Socket, p *socketio.Packet) error {
	c.paced.Store(p)
	defer c.paced.Store(nil)
	for {
		if err := socket.SendPaced(h.running, p); !errors.Is(err, socketio.ErrQueueFull) {
			return err
		}
	}
}

// pumpEnded notes that a client's pump returns. mu must be held.
func (h *Hub) pumpEnded(c *Client) {
	c.pace = nil
	delete(c.tenant.readers, c)
	h.stats.Catching--
	h.progressed()
}

// next reads a batch of what a client is owed: first its gaps, so that whatever it
// receives afterwards proves that it was told of them; then its backlog, then its
// main feed. At the head it goes live, under mu, so that no event is published in
// between. Where absences come next, it makes them c.healing and returns no packets. wait
// is how long to wait before the packets are sent. more is false when the pump is to
// return; pumpEnded has then been called.
func (h *Hub) next(c *Client, buf []*socketio.Packet) (packets []*socketio.Packet, wait time.Duration, more bool) {
	defer h.lockInTurn(c.Workspace)()
	if c.gone || h.running.Err() != nil {
		h.pumpEnded(c)
		return nil, 0, false
	}
	if c.ahead = len(c.gaps) == 0 && h.isAhead(c); c.ahead {
		return nil, 0, true
	}
	for range joins {
		var done bool
		switch {
		case len(c.gaps) > 0:
			packets = h.appendGaps(c, buf)
		case len(c.absences) > 0:
			if c.scope == scopeUndecided {
				// What the client missed depends on its scope. What follows the absence must
				// not be sent before it.
				h.pumpEnded(c)
				return nil, 0, false
			}
			h.beginHealing(c)
			return nil, 0, true
		case len(c.backlog) > 0:
			packets, done = h.readBacklog(c, buf)
			c.wasFed(packets)
		case !c.live:
			packets, done = h.readMain(c, buf)
			c.wasFed(packets)
		case len(c.marks) > 0 && c.scope != scopeUndecided:
			packets, c.marks = append(buf, c.marks...), nil
		default:
			h.pumpEnded(c)
			return nil, 0, false
		}
		if !done {
			break
		}
	}
	h.stats.CaughtUp += uint64(len(packets))
	c.pace.add(packets)
	h.progressed()
	return packets, h.catchUpWait(c.tenant, packets, time.Now()), true
}

// wasFed notes that packets were taken from the log.
func (c *Client) wasFed(packets []*socketio.Packet) {
	if len(packets) > 0 {
		c.fed = time.Now()
	}
}

// place returns where a client's main feed is.
func (h *Hub) place(c *Client) replay.Place {
	if c.live {
		return h.headPlace()
	}
	return c.main
}

// proof returns the highest position that the client can have received by now,
// including the one with which it came. If it later claims one past that, it has
// received all that it was sent until now.
func (h *Hub) proof(c *Client) source.Position {
	at := h.place(c).Position
	if at.Compare(c.claim.Position) < 0 {
		return c.claim.Position
	}
	return at
}

// readBacklog reads the client's first extent up to the place of its main feed,
// where the extent joins it. done: nothing was read.
func (h *Hub) readBacklog(c *Client, buf []*socketio.Packet) (packets []*socketio.Packet, done bool) {
	e, at, space := c.backlog[0], c.main, c.tenant.space
	if h.checkExtent(c, e); c.lacks() {
		return nil, true // gaps and absences are sent first
	}
	if e.conversation == "" {
		var p replay.Place
		scope := replay.Scope{Messages: func(string, uint64) bool { return !e.statesOnly }, Bare: at.Position, Naming: c.Names}
		packets, p = h.log.Read(space, buf, replay.Place{Next: e.next}, at.Next, batch, scope)
		e.next = p.Next
	} else {
		packets, e.next = h.log.ReadConversation(space, buf, e.conversation, e.next, at.Next, batch, !e.statesOnly, c.Names)
	}
	if len(packets) > 0 || e.next < at.Next {
		return packets, false
	}
	c.backlog = c.backlog[1:]
	if e.statesOnly {
		return nil, true
	}
	e.joined, e.since = true, h.proof(c)
	if e.conversation == "" {
		_ = c.socket.Join(c.tenant.open.roomOf(c))
	} else {
		_ = c.socket.Join(c.tenant.rooms[e.conversation].room.roomOf(c))
	}
	return nil, true
}

// readMain reads on in the client's main feed. done: nothing was read.
func (h *Hub) readMain(c *Client, buf []*socketio.Packet) (packets []*socketio.Packet, done bool) {
	if h.checkMain(c); c.lacks() {
		return nil, true
	}
	head := h.log.Sequence()
	packets, c.main = h.log.Read(c.tenant.space, buf, c.main, head, batch, replay.Scope{
		Messages: c.sees, Only: c.few(), Everything: c.everything, Bare: c.claim.Position, Naming: c.Names,
	})
	if len(packets) > 0 || c.main.Next < head {
		return packets, false
	}
	c.live, c.evictions = true, 0
	c.socket.Pause(false)
	return nil, true
}

// firstUnread returns the sequence number of the first entry that the client is still to
// read, the largest number for a live client without a backlog.
func (c *Client) firstUnread() uint64 {
	low := uint64(math.MaxUint64)
	if !c.live {
		low = c.main.Next
	}
	for _, e := range c.backlog {
		low = min(low, e.next)
	}
	return low
}

// maxMarks bounds the marks that are still to be sent to a client.
const maxMarks = 100

// Mark sends p to the client after all that it is owed now. It reports false when
// maxMarks are still to be sent; for a client that has gone it does nothing and reports
// true.
func (h *Hub) Mark(c *Client, p *socketio.Packet) bool {
	defer h.lockInTurn(c.Workspace)()
	if c.gone {
		return true
	}
	if len(c.marks) >= maxMarks {
		return false
	}
	c.marks = append(c.marks, p)
	h.startPump(c)
	return true
}
