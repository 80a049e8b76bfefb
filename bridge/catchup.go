package bridge

import (
	"errors"
	"slices"
	"time"

	"chatbridge/bridge/replay"
	"chatbridge/socketio"
	"chatbridge/socketio/engineio"
)

// batch is how many packets a pump takes from the log at a time.
const batch = 64

// enqueue gives a client a job and, if none runs, a goroutine that does its
// jobs one after the other. mu must be held.
func (h *Hub) enqueue(c *client, j *job) {
	c.jobs = append(c.jobs, j)
	if j.mark == nil {
		h.stats.CatchUps[j.reason]++
	}
	if c.pumping {
		c.signal()
		return
	}
	if h.running.Err() != nil {
		return
	}
	c.pumping = true
	h.stats.Catching++
	h.pumps.Go(func() { h.pump(c) })
}

func (c *client) signal() {
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

// lag takes a client whose queue has no room for p out of its rooms and lets
// it read on from the log, at its own pace. It is called by the Socket.IO
// server, and reports that the client is dealt with. Only a broadcast can be
// made up for from the log, and what the client's own pump sends is sent
// again; a client that does not even take the answers to its own events is
// closed.
func (h *Hub) lag(c *client, p *socketio.Packet) bool {
	if h.sending.Load() != p {
		return c.paced.Load() == p
	}
	if c.gone || !c.following {
		return true
	}
	h.leave(c)
	lag := &job{reason: catchUpLag, cursor: c.tenant.space.From(h.publishing, c.lagScope())}
	h.enqueue(c, lag)
	// The job that runs keeps its turn; all others wait for this one, which
	// makes the client live again.
	for i := len(c.jobs) - 1; i > 1; i-- {
		c.jobs[i], c.jobs[i-1] = c.jobs[i-1], c.jobs[i]
	}
	return true
}

// pump does a client's jobs until there are none, the client is gone or the
// Hub stops.
func (h *Hub) pump(c *client) {
	buf := make([]*socketio.Packet, 0, batch)
	for {
		packets, wait, more := h.next(c, buf[:0])
		if !more {
			return
		}
		if wait {
			h.awaitSubscription(c)
			continue
		}
		if len(packets) == 0 {
			continue
		}
		for _, p := range packets {
			if err := h.sendPaced(c, p); err != nil {
				h.endPump(c)
				return
			}
		}
	}
}

// sendPaced sends a packet from the log as soon as the client's queue has
// room. A broadcast may take that room in the last moment; then it waits anew.
func (h *Hub) sendPaced(c *client, p *socketio.Packet) error {
	c.paced.Store(p)
	defer c.paced.Store(nil)
	for {
		if err := c.socket.SendPaced(h.running, p); !errors.Is(err, socketio.ErrQueueFull) {
			return err
		}
	}
}

// next reads a batch for the client's first job. wait: there is no job, but
// the client has yet to decide what it wants. more is false when the pump is
// to end; it has then been signed off.
func (h *Hub) next(c *client, buf []*socketio.Packet) (packets []*socketio.Packet, wait, more bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if c.gone {
		h.signOff(c)
		return nil, false, false
	}
	if len(c.jobs) == 0 {
		if c.undecided {
			return nil, true, true
		}
		h.signOff(c)
		return nil, false, false
	}
	j := c.jobs[0]
	if j.mark != nil {
		if c.undecided && !slices.ContainsFunc(c.jobs, func(j *job) bool { return j.mark == nil }) {
			return nil, true, true // it is owed messages, and has yet to say which
		}
		c.jobs = c.jobs[1:]
		if slices.ContainsFunc(c.jobs, func(j *job) bool { return j.mark == nil }) {
			c.jobs = append(c.jobs, j) // the messages of a client that did not subscribe
			return nil, false, true
		}
		return append(buf, j.mark), false, true
	}
	if j.reason == catchUpOpen && len(c.subscriptions) > 0 {
		// It has subscribed after all: the rest of this job is not for it.
		c.openUntil = j.cursor.Sequence()
		c.jobs = c.jobs[1:]
		return nil, false, true
	}
	if j.cursor == nil {
		j.cursor = c.tenant.space.ConversationFrom(c.openUntil, j.conversation)
	}
	packets, atHead, err := j.cursor.Next(buf, batch)
	if err != nil {
		h.stats.FellBehind++
		h.signOff(c)
		c.socket.Close(engineio.FellBehind)
		return nil, false, false
	}
	if atHead {
		c.jobs = c.jobs[1:]
		h.goLive(c, j)
	}
	h.stats.CaughtUp += uint64(len(packets))
	return packets, false, true
}

// goLive joins the rooms whose past the client has now read. mu must be held,
// so that no event is published between the cursor's end and the rooms.
func (h *Hub) goLive(c *client, j *job) {
	if !j.reason.inOrder() {
		c.exactAfter = h.log.Head()
	}
	switch j.reason {
	case catchUpConnect:
		h.follow(c)
	case catchUpResume:
		for conversation := range c.subscriptions {
			if !c.pending(conversation) {
				c.subscriptions[conversation] = true
			}
		}
		c.open = len(c.subscriptions) == 0
		h.follow(c)
	case catchUpLag:
		h.follow(c)
	case catchUpOpen:
		c.open = true
		if c.following {
			c.socket.Join(c.tenant.open.Name())
		}
	case catchUpSubscribe:
		if _, ok := c.subscriptions[j.conversation]; !ok {
			return // taken back meanwhile
		}
		c.subscriptions[j.conversation] = true
		if c.following {
			c.socket.Join(c.tenant.rooms[j.conversation].room.Name())
		}
	}
}

// pending reports whether a job is still to read the conversation.
func (c *client) pending(conversation string) bool {
	for _, j := range c.jobs {
		if j.reason == catchUpSubscribe && j.conversation == conversation {
			return true
		}
	}
	return false
}

// follow joins the rooms that a live client is in.
func (h *Hub) follow(c *client) {
	c.following = true
	c.socket.Join(c.tenant.all.Name())
	if c.open {
		c.socket.Join(c.tenant.open.Name())
	}
	for conversation, live := range c.subscriptions {
		if live {
			c.socket.Join(c.tenant.rooms[conversation].room.Name())
		}
	}
}

// leave takes a client out of all rooms.
func (h *Hub) leave(c *client) {
	c.following = false
	c.socket.Leave(c.tenant.all.Name())
	c.socket.Leave(c.tenant.open.Name())
	for conversation, live := range c.subscriptions {
		if live {
			c.socket.Leave(c.tenant.rooms[conversation].room.Name())
		}
	}
}

// awaitSubscription waits for the client's first subscription, and decides
// for it when the grace is over.
func (h *Hub) awaitSubscription(c *client) {
	grace := time.NewTimer(h.opts.SubscribeGrace)
	defer grace.Stop()
	select {
	case <-c.wake:
		return
	case <-h.running.Done():
		h.mu.Lock()
		c.gone = true
		h.mu.Unlock()
		return
	case <-grace.C:
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if c.undecided && !c.gone {
		c.undecided = false
		h.enqueue(c, &job{
			reason: catchUpOpen,
			cursor: c.tenant.space.From(c.openUntil, replay.Scope{Messages: true}),
		})
	}
}

func (h *Hub) endPump(c *client) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.signOff(c)
}

func (h *Hub) signOff(c *client) {
	c.pumping = false
	h.stats.Catching--
}
