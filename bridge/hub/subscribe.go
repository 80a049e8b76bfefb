package hub

import (
	"slices"
	"time"

	"chatbridge/bridge/replay"
	"chatbridge/socketio"
)

// Subscribe adds a conversation to what the client sees. It reports false
// when the client has too many; a repetition is no error.
func (h *Hub) Subscribe(c *Client, conversation string) bool {
	h.lock()
	defer h.unlock()
	if _, ok := c.subscriptions[conversation]; ok || c.gone {
		return true
	}
	if len(c.subscriptions) >= h.opts.MaxSubscriptions {
		return false
	}
	e := h.owed(c, conversation)
	c.subscriptions[conversation] = e
	c.joinOrRead(e, c.tenant.subscribe(h.namespace, conversation).Name())
	if !e.joined {
		h.stats.CatchUps[catchUpSubscribe]++
		h.feed(c)
	}
	return true
}

// owed returns what the client is owed of a conversation that it subscribes to,
// and ends its being undecided or open. mu must be held.
func (h *Hub) owed(c *Client, conversation string) *extent {
	switch {
	case c.undecided:
		c.undecided = false
		c.grace.Stop()
	case c.open:
		c.open = false
		c.socket.Leave(c.tenant.open.Name())
		c.drop(&c.all)
		if !c.reopened {
			// It has had this conversation's messages as one of all.
			e := c.all
			e.conversation = conversation
			return &e
		}
	}
	e := &extent{conversation: conversation, from: c.start, promised: c.promised}
	if now := time.Now(); now.Sub(c.attached) > replay.Slack/2 {
		e.promised = now.Add(-h.opts.Replay.Window)
		e.from = h.log.SinceTime(e.promised)
	}
	if i := c.inherited[conversation]; i != nil && i.from < e.from {
		e.from, e.promised = i.from, i.promised
	}
	delete(c.inherited, conversation)
	e.next = e.from
	return e
}

// drop takes an extent out of what is still to be read. Where part of it has been
// sent, the statuses of those messages are still read.
func (c *Client) drop(e *extent) {
	i := slices.Index(c.backlog, e)
	if i < 0 {
		return
	}
	c.backlog = slices.Delete(c.backlog, i, i+1)
	same := func(o *extent) bool { return o.states && o.conversation == e.conversation }
	if e.next == e.from || slices.ContainsFunc(c.backlog, same) {
		return
	}
	rest := *e
	rest.states = true
	c.backlog = append(c.backlog, &rest)
}

// Unsubscribe takes a conversation back, and ends the reading of what was owed
// of it. A client without any sees all messages again, from now on.
func (h *Hub) Unsubscribe(c *Client, conversation string) {
	h.lock()
	defer h.unlock()
	e, ok := c.subscriptions[conversation]
	if !ok || c.gone {
		return
	}
	delete(c.subscriptions, conversation)
	c.drop(e)
	if e.joined {
		c.socket.Leave(c.tenant.rooms[conversation].room.Name())
	}
	c.tenant.unsubscribe(conversation)
	if len(c.subscriptions) > 0 {
		return
	}
	c.open, c.reopened = true, true
	at := h.log.Sequence()
	c.all = extent{from: at, next: at, joined: true, since: h.proof(c), promised: time.Now()}
	_ = c.socket.Join(c.tenant.open.Name())
}

// Mark sends p to the client once it has received all that it is owed by now.
func (h *Hub) Mark(c *Client, p *socketio.Packet) {
	h.lock()
	defer h.unlock()
	if !c.gone {
		c.marks = append(c.marks, p)
		h.feed(c)
	}
}
