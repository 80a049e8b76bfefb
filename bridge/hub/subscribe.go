package hub

import (
	"time"

	"chatbridge/bridge/replay"
)

// scope tells of which conversations a client sees the messages.
type scope uint8

const (
	// scopeUndecided: no subscription yet, and SubscribeGrace is not over. It is not
	// known yet whether the client sees the messages of some conversations or of all.
	scopeUndecided scope = iota
	// scopeAll: no subscription in time; the client sees the messages of all
	// conversations.
	scopeAll
	// scopeAllAgain: the client took its last subscription back, and sees the messages
	// of all conversations published since. It may lack earlier ones.
	scopeAllAgain
	// scopeSubscribed: the client sees the messages of its subscriptions.
	scopeSubscribed
)

// view is what a client sees, and from when on.
type view struct {
	scope scope
	grace *time.Timer // ends scopeUndecided; nil once it has fired or was stopped
	// all is what the client is owed of all conversations; unused in scopeSubscribed.
	all extent
	// subscriptions are the conversations asked for.
	subscriptions map[string]*extent
	// inherited is what a prior client was still owed of conversations.
	inherited map[string]*extent
	// start is the sequence number from which on it is owed messages, promised
	// the corresponding time.
	start    uint64
	promised time.Time
}

// seesAll tells that it sees the messages of all conversations.
func (v *view) seesAll() bool { return v.scope == scopeAll || v.scope == scopeAllAgain }

// sees tells whether the client's main feed brings a conversation's message that
// has the sequence number.
func (c *Client) sees(conversation string, seq uint64) bool {
	if c.seesAll() {
		return c.all.joined && seq >= c.all.from
	}
	e := c.subscriptions[conversation]
	return e != nil && e.joined
}

// few returns the conversations whose messages the main feed may bring, nil where they
// are more than replay.MaxOnly or all: see replay.Scope.Only.
func (c *Client) few() []string {
	if c.seesAll() || len(c.subscriptions) > replay.MaxOnly {
		return nil
	}
	few := make([]string, 0, replay.MaxOnly)
	for conversation := range c.subscriptions {
		few = append(few, conversation)
	}
	return few
}

// owe moves the start of what the client is owed back to start, if that is earlier.
func (c *Client) owe(start uint64, promised time.Time) {
	c.start = min(c.start, start)
	if promised.Before(c.promised) {
		c.promised = promised
	}
}

// awaitSubscription gives a client SubscribeGrace to make its first subscription.
func (h *Hub) awaitSubscription(c *Client) {
	c.scope = scopeUndecided
	c.grace = time.AfterFunc(h.opts.SubscribeGrace, func() {
		defer h.lockInTurn(c.Workspace)()
		c.grace = nil
		if c.scope == scopeUndecided && !c.gone {
			c.scope = scopeAll
			h.stats.CatchUps[catchUpOpen]++
			c.backlog = append(c.backlog, &c.all)
			h.startPump(c)
		}
	})
}

// Subscribe adds a conversation to what the client sees. It reports false if that would
// exceed MaxSubscriptions, Shares.Subscriptions or SessionBytes. It reports true, and does
// nothing, for a repetition or a client that has gone.
func (h *Hub) Subscribe(c *Client, conversation string) bool {
	defer h.lockInTurn(c.Workspace)()
	if _, ok := c.subscriptions[conversation]; ok || c.gone {
		return true
	}
	if most := h.opts.Workspace.Subscriptions; most > 0 && c.tenant.subscriptions >= most {
		h.limited(limitSubscriptions, c.Workspace)
		return false
	}
	takes := int64(subscriptionBytes + len(conversation))
	if len(c.subscriptions) >= h.opts.MaxSubscriptions || !h.memoryFor(c, takes) {
		return false
	}
	h.account(c, c.accounted+takes)
	r := c.tenant.subscribe(h.namespace, conversation)
	e := h.newExtent(c, r.conversation)
	c.subscriptions[r.conversation] = e
	h.noteSubscribed(c, e)
	c.joinOrRead(e, r.room.roomOf(c))
	if !e.joined {
		h.stats.CatchUps[catchUpSubscribe]++
		h.startPump(c)
	}
	return true
}

// newExtent returns what the client is owed of a conversation that it subscribes to,
// and makes its scope that of its subscriptions. mu must be held.
func (h *Hub) newExtent(c *Client, conversation string) *extent {
	switch {
	case c.scope == scopeUndecided:
		c.scope = scopeSubscribed
		c.grace.Stop()
		c.grace = nil
	case c.seesAll():
		had := c.scope == scopeAll
		c.scope = scopeSubscribed
		c.socket.Leave(c.tenant.open.roomOf(c))
		c.drop(&c.all)
		if had {
			// The conversation's messages so far were among those of all conversations.
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
	if _, ok := c.inherited[conversation]; ok {
		delete(c.inherited, conversation)
		h.account(c, c.accounted-int64(subscriptionBytes+len(conversation)))
	}
	e.next = e.from
	return e
}

// Unsubscribe takes a conversation back, and ends the reading of the messages owed
// of it. A client without subscriptions sees all messages again, from now on.
func (h *Hub) Unsubscribe(c *Client, conversation string) {
	defer h.lockInTurn(c.Workspace)()
	e, ok := c.subscriptions[conversation]
	if !ok || c.gone {
		return
	}
	delete(c.subscriptions, conversation)
	c.drop(e)
	h.account(c, c.accounted-int64(subscriptionBytes+len(conversation)))
	if e.joined {
		c.socket.Leave(c.tenant.rooms[conversation].room.roomOf(c))
	}
	c.tenant.unsubscribe(conversation)
	if len(c.subscriptions) > 0 {
		return
	}
	c.scope = scopeAllAgain
	at := h.log.Sequence()
	c.all = extent{from: at, next: at, joined: true, since: h.proof(c), promised: time.Now()}
	_ = c.socket.Join(c.tenant.open.roomOf(c))
}
