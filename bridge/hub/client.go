package hub

import (
	"math"
	"slices"
	"sync/atomic"
	"time"

	"chatbridge/bridge/replay"
	"chatbridge/socketio"
	"chatbridge/source"
)

// Client is one socket as the Hub sees it. The fields above paced are set before
// Attach or Resume and stay; all below are guarded by the Hub's mu, but socket
// and tenant, which do not change after Attach.
type Client struct {
	// Workspace is whose events it sees, User who it is: a session is restored
	// only to the same two.
	Workspace, User string
	// Feed marks one of the gateway's own connections, which Stats counts apart.
	Feed bool

	// paced is the packet that the client's pump is sending.
	paced  atomic.Pointer[socketio.Packet]
	socket Socket
	tenant *tenant
	// history is the Hub's when the client was attached.
	history uint64
	// prior is the client whose session this one restores from claim on, heir
	// tells that it begins a new session but is still owed what that one was.
	// Attach consumes both.
	prior *Client
	heir  bool
	claim Offset
	// given is set for a client that claimed nothing: no event that it is given
	// comes before.
	given source.Position

	// live: broadcasts reach it. Otherwise it reads the log from main on.
	live bool
	main replay.Place
	// everything: main passes on superseded events too.
	everything bool

	// undecided: connected, no subscription made yet, grace not over. It is
	// owed the messages either of some conversations or of all.
	undecided bool
	grace     *time.Timer
	// all is what it is owed of all messages: while undecided, and while open.
	all extent
	// open: it has no subscription.
	open bool
	// reopened: open again after the last subscription was taken back, so that
	// being open says nothing about the messages before.
	reopened bool
	// subscriptions are the conversations asked for.
	subscriptions map[string]*extent
	// inherited is what a prior client was still owed of conversations.
	inherited map[string]*extent
	// start is the sequence number from which on it is owed messages, promised
	// the time of that, attached when it came.
	start              uint64
	promised, attached time.Time

	// backlog are the extents that are still to be read, in turn.
	backlog []*extent
	// covered is the floor up to which a hole of the whole workspace has been noted,
	// from coveredSince on.
	covered      uint64
	coveredSince time.Time
	// holes are to be told before anything else.
	holes []hole
	// told are the last that it has been told, as far as that can have been lost
	// with its connection.
	told []hole
	// lost is the tenant's Space's count of losses at the last look.
	lost uint64
	// marks are sent once it has received all that it is owed.
	marks []*socketio.Packet

	pumping bool
	pace    pace
	gone    bool
	// left is when it went.
	left time.Time
}

// extent is a set of messages that a client is owed: those of a conversation,
// or all. Until it has joined they are read from the log; then they come with
// what the client reads or receives live.
type extent struct {
	conversation string // "" is all
	// from is where it begins, next how far it has been read.
	from, next uint64
	// noted is the floor up to which its holes have been noted.
	noted uint64
	// promised is the time of from.
	promised time.Time
	joined   bool
	// states: only the statuses and states that belong to messages which it was
	// sent before it gave the rest of them back. It joins nothing.
	states bool
	// since is the client's proof when it joined.
	since source.Position
}

// Attach begins to feed a client through its socket: from its offset if it
// restores the session of a prior one, from the start of the window else. offset
// is what the client says it received last, in the text form; empty if nothing.
// session is when the session began in which it says so, zero if it had none: from
// then on one that received nothing lacks what there was.
func (h *Hub) Attach(c *Client, socket Socket, offset string, session time.Time) {
	h.lock()
	defer h.unlock()
	now := time.Now()
	t := h.tenantOf([]byte(c.Workspace))
	t.clients[c] = struct{}{}
	h.stats.Clients++
	if c.Feed {
		h.stats.Feeds++
	}
	c.socket, c.tenant, c.history = socket, t, h.history
	c.subscriptions = make(map[string]*extent)
	c.lost = t.space.Lost()
	c.attached, c.promised = now, now.Add(-h.opts.Replay.Window)
	c.start = h.log.SinceTime(c.promised)
	socket.Pause(true)
	_ = socket.Join(t.all.Name())
	prior := c.prior
	c.prior = nil
	if prior == nil || c.heir {
		if prior == nil {
			c.claim, _ = h.claim(offset) // of another shape: it claims nothing
			if c.claim.Position.IsZero() && !session.IsZero() && session.Before(c.promised) {
				h.owedSince(c, session, now)
			}
		} else if prior.history == h.history {
			c.inherit(prior)
		}
		h.begin(c, now)
	} else {
		h.restore(c, prior, now)
	}
	if prior != nil {
		h.tellAgain(c, prior)
	}
	h.tellLosses(c, prior, now)
	h.feed(c)
}

// owedSince owes a client what was published since its session began, in which it
// received nothing, and notes what of that the log has lost.
func (h *Hub) owedSince(c *Client, session, now time.Time) {
	space := c.tenant.space
	c.owe(h.log.SinceTime(session), session)
	f := space.Missing()
	until := h.log.TimeOf(f.At, now)
	switch {
	case f.Seq == 0 && session.Before(h.log.TimeOf(0, now)):
		until = h.log.TimeOf(0, now) // this process was not there
	case f.Seq == 0 || until.Before(session):
		return
	}
	h.cover(c, hole{reason: holeAway, since: session, until: until}, f)
}

// cover notes a hole of the whole workspace up to a floor.
func (h *Hub) cover(c *Client, o hole, f replay.Floor) {
	c.covered, c.coveredSince = f.Seq, o.since
	h.hole(c, o)
}

// begin feeds a new client from the start of the window, or from its claim if
// that is older, as far as the log still holds what came after it.
func (h *Hub) begin(c *Client, now time.Time) {
	h.stats.CatchUps[catchUpConnect]++
	space := c.tenant.space
	if at := c.claim.Position; !at.IsZero() && at.Compare(h.log.Head()) <= 0 {
		if f := space.Missing(); f.Above(at) {
			h.cover(c, hole{reason: holeAway, since: c.claim.Commit, until: h.log.TimeOf(f.At, now)}, f)
		}
		if after := h.log.After(space, at); after < c.start {
			c.owe(after, c.claim.Commit)
		}
	} else if !at.IsZero() && h.log.Head().IsZero() && c.claim.Commit.Before(c.promised) {
		h.hole(c, hole{reason: holeAway, since: c.claim.Commit, until: c.promised})
	}
	if until := h.log.TimeOf(space.Newest().At, now); space.Newest().Seq > max(c.start, c.covered) && !until.Before(c.promised) {
		h.hole(c, hole{reason: holeWindow, since: c.promised, until: until})
	}
	c.main = replay.Place{Next: c.start}
	c.all = extent{from: c.start, next: c.start, promised: c.promised}
	if c.claim.Position.IsZero() {
		c.given = h.log.First(space, c.start)
	}
	h.await(c)
}

// await lets a client without subscriptions make its first one.
func (h *Hub) await(c *Client) {
	c.undecided = true
	c.grace = time.AfterFunc(h.opts.SubscribeGrace, func() {
		h.lock()
		defer h.unlock()
		if c.undecided && !c.gone {
			c.undecided, c.open = false, true
			h.stats.CatchUps[catchUpOpen]++
			c.backlog = append(c.backlog, &c.all)
			h.feed(c)
		}
	})
}

// restore feeds a client that was here as prior from its claim on. What prior
// was still owed it is owed anew: what of it arrived is not known.
func (h *Hub) restore(c, prior *Client, now time.Time) {
	h.stats.CatchUps[catchUpResume]++
	space := c.tenant.space
	if prior.history != h.history {
		// Since Resume looked. Its claim means nothing any more.
		c.claim, c.main = Offset{}, replay.Place{Next: c.start}
		h.hole(c, hole{reason: holeHistory, since: prior.left, until: now, reload: true})
	} else {
		c.main, c.everything = replay.Place{Next: h.log.After(space, c.claim.Position), Position: c.claim.Position}, true
		if !h.covers(prior, c.claim) {
			// Evicted since Resume looked. The client has been told that it is
			// restored, so it is told of the hole.
			f := space.Missing()
			h.hole(c, hole{reason: holeEvicted, since: c.claim.Commit, until: h.log.TimeOf(f.At, now)})
		}
	}
	for conversation, e := range prior.subscriptions {
		room := c.tenant.subscribe(h.namespace, conversation)
		r := c.again(e)
		c.subscriptions[conversation] = r
		c.joinOrRead(r, room.Name())
	}
	if c.open, c.reopened = prior.open, prior.reopened; c.open {
		c.all = *c.again(&prior.all)
		c.joinOrRead(&c.all, c.tenant.open.Name())
	}
}

// inherit notes what a client that begins a new session is still owed of the one
// before: it was cut before it had read it.
func (c *Client) inherit(prior *Client) {
	none := c.claim.Position.IsZero()
	if none && prior.start < c.start {
		c.owe(prior.start, prior.promised)
	}
	if (prior.undecided || prior.open && !prior.all.hadBy(c.claim)) && prior.all.from < c.start {
		c.owe(prior.all.from, prior.all.promised)
	}
	c.inherited = make(map[string]*extent)
	for conversation, e := range prior.subscriptions {
		if !e.hadBy(c.claim) {
			c.inherited[conversation] = e
		}
	}
	for conversation, e := range prior.inherited {
		if c.inherited[conversation] == nil {
			c.inherited[conversation] = e
		}
	}
}

// owe puts the start of what the client is owed back.
func (c *Client) owe(start uint64, promised time.Time) {
	c.start = min(c.start, start)
	if promised.Before(c.promised) {
		c.promised = promised
	}
}

// hadBy tells that a client which received an event with that Offset has
// received all of the extent before it.
func (e *extent) hadBy(o Offset) bool {
	return e.joined && o.Position.Compare(e.since) > 0
}

// again returns what a restored client is owed of an extent of its prior's: all
// of it, unless its claim tells that it had joined.
func (c *Client) again(e *extent) *extent {
	r := *e
	if c.claim.Position.IsZero() {
		r.from, r.promised, r.joined = c.start, c.promised, false
	}
	r.joined = r.hadBy(c.claim)
	if !r.joined {
		r.next = r.from
	}
	return &r
}

// joinOrRead lets a client into a room if it has joined the extent, and else has
// it read that first.
func (c *Client) joinOrRead(e *extent, room string) {
	if e.joined {
		_ = c.socket.Join(room)
	} else {
		c.backlog = append(c.backlog, e)
	}
}

// Detach ends a client's feeding. A later one may restore its session.
func (h *Hub) Detach(c *Client) {
	h.lock()
	defer h.unlock()
	h.stats.Clients--
	if c.Feed {
		h.stats.Feeds--
	}
	c.gone, c.left = true, time.Now()
	if c.grace != nil {
		c.grace.Stop()
	}
	for conversation := range c.subscriptions {
		c.tenant.unsubscribe(conversation)
	}
	delete(c.tenant.clients, c)
	c.socket, c.marks = nil, nil
}

// Resume makes c the continuation of a client that left as prior and whose
// last event had the given offset (empty: it received none). It reports false,
// and leaves c a new client, when prior was somebody else or c could not be given
// exactly what came after the offset. Where it was the same, c is then still owed
// what prior was, once it asks for it again.
func (h *Hub) Resume(c, prior *Client, offset string) bool {
	h.lock()
	defer h.unlock()
	o, err := h.claim(offset)
	if err != nil || c.Workspace != prior.Workspace || c.User != prior.User || prior.tenant == nil {
		return false
	}
	if prior.claim.Position.IsZero() && o.Position.Compare(prior.given) < 0 {
		// It is of an earlier session: from ChatEngine such a client came as a
		// new one, and has been given nothing since.
		o = Offset{}
	}
	c.prior, c.claim = prior, o
	c.heir = o.Position.IsZero() || prior.history != h.history || o.Position.Compare(h.log.Head()) > 0 ||
		!prior.exact(o) || !h.covers(prior, o)
	return !c.heir
}

// claim reads what a client says it received last. The position is zero if that
// was nothing, or something of a history before.
func (h *Hub) claim(offset string) (Offset, error) {
	if offset == "" {
		return Offset{}, nil
	}
	o, err := ParseOffset(offset)
	if o.Commit.Before(h.began) {
		o.Position = source.Position{}
	}
	return o, err
}

// exact tells whether all that the client was owed up to o had been sent before
// the event with that Offset.
func (c *Client) exact(o Offset) bool {
	if c.undecided || c.open && !c.all.hadBy(o) {
		return false
	}
	for _, e := range c.subscriptions {
		if !e.hadBy(o) {
			return false
		}
	}
	return !slices.ContainsFunc(c.backlog, func(e *extent) bool { return e.states })
}

// covers tells whether all that prior saw and that came after o is in the log.
// The prior's tenant may have been forgotten and made anew. mu must be held.
func (h *Hub) covers(prior *Client, o Offset) bool {
	space := h.tenantOf([]byte(prior.Workspace)).space
	if space.States().Above(o.Position) {
		return false
	}
	if len(prior.subscriptions) == 0 {
		return !space.Messages().Above(o.Position)
	}
	for conversation := range prior.subscriptions {
		if space.ConversationMessages(conversation).Above(o.Position) {
			return false
		}
	}
	return true
}

// sees tells whether the client's main feed brings a conversation's message that
// has the sequence number.
func (c *Client) sees(conversation string, seq uint64) bool {
	if c.open {
		return c.all.joined && seq >= c.all.from
	}
	e := c.subscriptions[conversation]
	return e != nil && e.joined
}

// lowest returns the sequence number of the first entry that it is still to
// read, the largest there is for a live client.
func (c *Client) lowest() uint64 {
	low := uint64(math.MaxUint64)
	if !c.live {
		low = c.main.Next
	}
	for _, e := range c.backlog {
		low = min(low, e.next)
	}
	return low
}
