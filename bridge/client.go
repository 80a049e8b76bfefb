package bridge

import (
	"sync/atomic"

	"chatbridge/bridge/auth"
	"chatbridge/bridge/replay"
	"chatbridge/socketio"
	"chatbridge/source"
)

// client is one socket as the Hub sees it. All fields but the first
// four are guarded by the Hub's mu; socket and tenant do not change after Attach.
type client struct {
	principal auth.Principal
	expiry    expiry
	// feed: one of the gateway's own connections, see gateway.CatchUpHeader.
	feed bool
	// paced is the packet that the client's pump is sending.
	paced  atomic.Pointer[socketio.Packet]
	socket *socketio.Socket
	tenant *tenant
	// history is the Hub's when the client was attached.
	history uint64
	// prior is the client whose session this one restores from offset on;
	// Attach consumes it.
	prior  *client
	offset source.Position

	// subscriptions are the conversations asked for; true once the client is
	// live on that conversation's messages.
	subscriptions map[string]bool
	// undecided: connected, no subscription made yet, grace not over. It is
	// owed the messages either of some conversations or of all.
	undecided bool
	// following: live on everything but messages.
	following bool
	// open: has no subscription and is live on all messages.
	open bool
	// openUntil is the sequence number below which it is owed no message: it
	// got them, or was not there.
	openUntil uint64
	// reopened: open again after the last subscription was taken back, so
	// that being open says nothing about the messages before.
	reopened bool

	jobs    []*job
	pumping bool
	gone    bool
	// wake tells a pump that waits for the grace to end of a new job.
	wake chan struct{}
	// exactAfter is the head of the log when the client last caught up out of
	// order. What it received up to there does not tell what it has yet to
	// receive; an offset past it does.
	exactAfter source.Position
}

// job is one reading of the log by a client.
type job struct {
	reason catchUp
	cursor *replay.Cursor
	// conversation of a conversation job; its cursor is made when it begins.
	conversation string
	// mark, if set, is all there is to the job: the packet says that the jobs
	// before it are done.
	mark *socketio.Packet
}

// catchUp is why a client reads the log.
type catchUp uint8

const (
	// catchUpConnect: a new client gets the newest conversation and
	// messageStatus events of the window.
	catchUpConnect catchUp = iota
	// catchUpOpen: it made no subscription and gets all messages of the window.
	catchUpOpen
	// catchUpSubscribe: it gets one conversation's messages of the window.
	catchUpSubscribe
	// catchUpResume: a returning client gets what it missed since its offset.
	catchUpResume
	// catchUpLag: its queue was full; it reads on from there.
	catchUpLag
	catchUpReasons
)

var catchUpNames = [catchUpReasons]string{"connect", "open", "subscribe", "resume", "lag"}

// String returns the reason as metrics show it.
func (c catchUp) String() string { return catchUpNames[c] }

// inOrder tells that a job of this kind passes on, in commit order, all that
// the client sees, so that an offset from the midst of it is exact.
func (c catchUp) inOrder() bool { return c == catchUpResume || c == catchUpLag }

// newClient returns the client of a token that was accepted.
func newClient(principal auth.Principal) *client {
	return &client{
		principal: principal, subscriptions: make(map[string]bool), wake: make(chan struct{}, 1),
	}
}

// Attach begins to feed a client through its socket: from its offset if it
// restores the session of a prior one, from the start of the window else.
func (h *Hub) Attach(c *client, socket *socketio.Socket) {
	h.mu.Lock()
	defer h.mu.Unlock()
	t := h.tenantOf([]byte(c.principal.Workspace))
	t.clients++
	h.stats.Clients++
	if c.feed {
		h.stats.Feeds++
	}
	c.socket, c.tenant, c.history = socket, t, h.history
	prior := c.prior
	c.prior = nil
	if prior == nil {
		c.undecided = true
		start := t.space.FromStart(replay.Scope{})
		c.openUntil = start.Sequence()
		h.enqueue(c, &job{reason: catchUpConnect, cursor: start})
		return
	}
	for conversation := range prior.subscriptions {
		c.subscribe(conversation)
	}
	c.openUntil = prior.openUntil
	h.enqueue(c, &job{reason: catchUpResume, cursor: t.space.After(c.offset, c.resumeScope())})
}

// Detach ends a client's feeding. A later one may restore its session.
func (h *Hub) Detach(c *client) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.stats.Clients--
	if c.feed {
		h.stats.Feeds--
	}
	c.gone = true
	c.signal()
	for conversation := range c.subscriptions {
		c.tenant.unsubscribe(conversation)
	}
	c.tenant.clients--
}

// Resume makes c the continuation of a client that left as prior and whose
// last event had the given offset. It reports false, and leaves c a new client,
// when prior was somebody else or c could not be given exactly what it missed.
func (h *Hub) Resume(c, prior *client, offset string) bool {
	at, err := source.ParsePosition(offset)
	if err != nil || c.principal.Workspace != prior.principal.Workspace || c.principal.User != prior.principal.User {
		return false
	}
	if !h.resumable(prior, at) {
		return false
	}
	c.prior, c.offset = prior, at
	return true
}

func (h *Hub) resumable(prior *client, offset source.Position) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if prior.history != h.history || prior.undecided || offset.Compare(prior.exactAfter) <= 0 || offset.Compare(h.log.Head()) > 0 {
		return false
	}
	for _, j := range prior.jobs {
		if j.mark == nil && !j.reason.inOrder() {
			return false
		}
	}
	return h.tenantOf([]byte(prior.principal.Workspace)).space.Covers(offset)
}

// resumeScope passes on what the client saw when it left: it takes its
// subscriptions along.
func (c *client) resumeScope() replay.Scope {
	return replay.Scope{Everything: true, Messages: true, Subscribed: func(conversation string) bool {
		_, ok := c.subscriptions[conversation]
		return ok || len(c.subscriptions) == 0
	}}
}

// lagScope passes on what the client was live on. The messages that another
// job is still to bring must not come before that one brings the older ones.
func (c *client) lagScope() replay.Scope {
	return replay.Scope{Everything: true, Messages: true, Subscribed: func(conversation string) bool {
		return c.open || c.subscriptions[conversation]
	}}
}

// Subscribe adds a conversation to what the client sees. It reports false
// when the client has too many; a repetition is no error.
func (h *Hub) Subscribe(c *client, conversation string) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if _, ok := c.subscriptions[conversation]; ok || c.gone {
		return true
	}
	if len(c.subscriptions) >= h.opts.MaxSubscriptions {
		return false
	}
	if c.open {
		c.socket.Leave(c.tenant.open.Name())
		if !c.reopened {
			c.openUntil = c.tenant.space.Sequence()
		}
		c.open = false
	}
	c.undecided = false
	c.subscribe(conversation)
	h.enqueue(c, &job{reason: catchUpSubscribe, conversation: conversation})
	return true
}

// Mark sends p to the client once it has received all that it is owed by now.
func (h *Hub) Mark(c *client, p *socketio.Packet) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if !c.gone {
		h.enqueue(c, &job{mark: p})
	}
}

// Unsubscribe takes a conversation back. A client without any sees all
// messages again, from now on.
func (h *Hub) Unsubscribe(c *client, conversation string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if _, ok := c.subscriptions[conversation]; !ok || c.gone {
		return
	}
	c.unsubscribe(conversation)
	if len(c.subscriptions) == 0 {
		c.open, c.reopened = true, true
		if c.following {
			c.socket.Join(c.tenant.open.Name())
		}
	}
}

func (c *client) subscribe(conversation string) {
	c.subscriptions[conversation] = false
	t := c.tenant
	r := t.rooms[conversation]
	if r == nil {
		r = &conversationRoom{room: c.socket.Namespace().Room("c:" + t.space.Workspace + "\x00" + conversation)}
		t.rooms[conversation] = r
	}
	r.subscribers++
}

func (c *client) unsubscribe(conversation string) {
	delete(c.subscriptions, conversation)
	c.socket.Leave(c.tenant.rooms[conversation].room.Name())
	c.tenant.unsubscribe(conversation)
}

func (t *tenant) unsubscribe(conversation string) {
	r := t.rooms[conversation]
	if r.subscribers--; r.subscribers == 0 {
		delete(t.rooms, conversation)
	}
}
