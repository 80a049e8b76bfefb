package hub

import (
	"fmt"
	"slices"
	"time"

	"chatbridge/bridge/replay"
	"chatbridge/source"
)

// session is what a client continues of an earlier connection.
type session struct {
	// prior is the earlier connection that Resume was given, nil for none. The
	// client restores its session from claim on or, if inherits, begins a new session
	// but is still owed what prior was. Attach takes prior out again.
	prior    *Client
	inherits bool
	// claim is what the client says it received last.
	claim Offset
	// from is where what it is owed begins: its claim, or an earlier offset.
	from Offset
	// given is set for a client that claimed nothing: every event that it is given
	// is at this position or later.
	given source.Position
}

// Resume makes c the continuation of a client that left as prior and whose
// last event had the given offset (empty: it received none). It reports false,
// and leaves c a new client, when prior was somebody else or c could not be given
// exactly what came after the offset. If prior was the same user, c is still owed
// what prior was, once it subscribes to it again.
func (h *Hub) Resume(c, prior *Client, offset string) bool {
	defer h.lockInTurn(c.Workspace)()
	o, err := h.parseClaim(offset)
	if err != nil || c.Workspace != prior.Workspace || c.User != prior.User || prior.tenant == nil {
		return false
	}
	if prior.history == h.history && prior.claim.Position.IsZero() && o.Position.Compare(prior.given) < 0 {
		// The offset is of a session before prior's: the client came from ChatEngine,
		// prior was new here, and has received nothing.
		o = Offset{}
	}
	c.prior, c.claim = prior, o
	c.inherits = o.Position.IsZero() || prior.summed || prior.history != h.history || o.Position.Compare(h.log.Head()) > 0 ||
		!prior.exact(o) || !h.covers(prior, o)
	return !c.inherits
}

// parseClaim reads what a client says it received last. The position is zero if
// that was nothing, or an event of an earlier history. An error tells that it is unknown
// what it received. mu must be held.
func (h *Hub) parseClaim(offset string) (Offset, error) {
	if offset == "" {
		return Offset{}, nil
	}
	o, err := ParseOffset(offset)
	switch {
	case err != nil:
		return Offset{}, err
	case o.Commit.Before(h.began):
		o.Position = source.Position{}
	case !h.possible(o, time.Now()):
		return Offset{}, fmt.Errorf("offset %q is of no event that there has been", offset)
	}
	return o, nil
}

// possible tells whether an event with that Offset may have been published, here or by
// another process that has read further: a position past the head needs a commit time
// that is neither before the head's nor in the future, give or take replay.Slack. The
// commit times are by the database's clock.
func (h *Hub) possible(o Offset, now time.Time) bool {
	if o.Position.Compare(h.log.Head()) <= 0 {
		return true
	}
	return !o.Commit.IsZero() && !o.Commit.After(now.Add(replay.Slack)) && !h.tooOld(o.Commit)
}

// tooOld tells that an event committed at that time cannot come after the newest one.
func (h *Hub) tooOld(commit time.Time) bool {
	return !h.log.Head().IsZero() && commit.Before(h.headCommit.Add(-replay.Slack))
}

// OwedFrom returns the offset from which on a client is owed everything in a session that
// begins now: the offset with which it comes, in the text form (empty: it received
// nothing), or an earlier one; the newest event's for a client without an earlier
// session. began and owed tell of the earlier session, see Attach and Client.Owed. The
// client should be given the result with its session, and bring it along as Client.Owed:
// another process does not know what was still unread when the session ended.
func (h *Hub) OwedFrom(offset string, began time.Time, owed string) Offset {
	h.lock()
	defer h.unlock()
	claim, _ := h.parseClaim(offset)
	if claim.Position.IsZero() && began.IsZero() {
		return h.headOffset()
	}
	return h.owedFrom(claim, began, owed)
}

// owedFrom is OwedFrom for a client that had a session. What the client subscribed to at
// the session's beginning was sent before anything that was committed later. So a claim
// committed more than Slack after began proves that it received all of that, and owed no
// longer counts. mu must be held.
func (h *Hub) owedFrom(claim Offset, began time.Time, owed string) Offset {
	o, err := h.parseClaim(owed)
	if err != nil || o.Position.IsZero() || claim.Commit.After(began.Add(replay.Slack)) ||
		!claim.Position.IsZero() && o.Position.Compare(claim.Position) >= 0 {
		return claim
	}
	if !claim.Position.IsZero() {
		// The offset of a gap event has the time since when all is owed.
		o.Commit = minTime(o.Commit, claim.Commit)
	}
	return o
}

// exact tells whether all that the client was owed up to o had been sent before
// the event with that Offset.
func (c *Client) exact(o Offset) bool {
	if c.scope == scopeUndecided || c.seesAll() && !c.all.hadBy(o) {
		return false
	}
	for _, e := range c.subscriptions {
		if !e.hadBy(o) {
			return false
		}
	}
	return !slices.ContainsFunc(c.backlog, func(e *extent) bool { return e.statesOnly })
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

// begin feeds a new client from the start of the window, or from its claim if
// that is older, as far as the log still holds what came after it.
func (h *Hub) begin(c *Client, now time.Time) {
	h.stats.CatchUps[catchUpConnect]++
	space := c.tenant.space
	if at := c.from.Position; !at.IsZero() && at.Compare(h.log.Head()) <= 0 {
		if f := space.Missing(); f.Above(at) {
			g := gap{reason: gapAway, since: c.from.Commit, until: h.log.TimeOf(f.At, now)}
			if c.from == c.claim {
				g = h.covered(c, g, f)
			} else {
				g.since = minTime(g.since, c.promised) // the claim does not prove that it has the window
			}
			h.noteAway(c, g)
		}
		if after := h.log.After(space, at); after < c.start {
			c.owe(after, c.from.Commit)
		}
	} else if !at.IsZero() && h.log.Head().IsZero() && c.from.Commit.Before(c.promised) {
		h.noteAway(c, gap{reason: gapAway, since: c.from.Commit, until: c.promised})
	}
	if until := h.log.TimeOf(space.Newest().At, now); space.Newest().Seq > max(c.start, c.covered) && !until.Before(c.promised) {
		h.noteMissing(c, gap{reason: gapWindow, since: c.promised, until: until})
	}
	c.main = replay.Place{Next: c.start}
	c.all = extent{from: c.start, next: c.start, promised: c.promised}
	if c.claim.Position.IsZero() {
		c.given = h.log.First(space, c.start)
	}
	h.awaitSubscription(c)
}

// owedSince owes a client what was published since its session began, in which it
// received nothing, and notes what of that the log has lost.
func (h *Hub) owedSince(c *Client, began, now time.Time) {
	space := c.tenant.space
	c.owe(h.log.SinceTime(began), began)
	f := space.Missing()
	until := h.log.TimeOf(f.At, now)
	if f.Seq == 0 && !began.Before(h.log.TimeOf(0, now)) || f.Seq > 0 && until.Before(began) {
		return // the log has all that was published since began
	}
	h.noteAway(c, h.covered(c, gap{reason: gapAway, since: began, until: until}, f))
}

// restore feeds a client that continues prior's session, from its claim on. It is owed
// all that prior was still owed, because it is not known how much of that arrived.
func (h *Hub) restore(c, prior *Client, now time.Time) {
	h.stats.CatchUps[catchUpResume]++
	c.resumed = true
	space := c.tenant.space
	if prior.history != h.history {
		// The history changed between Resume and Attach: the claim is of the old one.
		c.claim, c.main = Offset{}, replay.Place{Next: c.start}
		h.noteGap(c, gap{reason: gapHistory, since: prior.left, until: now, reload: true})
	} else {
		c.main, c.everything = replay.Place{Next: h.log.After(space, c.claim.Position), Position: c.claim.Position}, true
		if !h.covers(prior, c.claim) {
			// Evicted between Resume and Attach. The client has been told that it is
			// restored, so it is told of the gap.
			f := space.Missing()
			h.noteMissing(c, gap{reason: gapEvicted, since: c.claim.Commit, until: h.log.TimeOf(f.At, now)})
		}
	}
	for conversation, e := range prior.subscriptions {
		room := c.tenant.subscribe(h.namespace, conversation)
		r := c.restored(e)
		r.conversation = room.conversation
		c.subscriptions[room.conversation] = r
		c.joinOrRead(r, room.room.roomOf(c))
	}
	if c.scope = prior.scope; c.seesAll() {
		c.all = *c.restored(&prior.all)
		c.joinOrRead(&c.all, c.tenant.open.roomOf(c))
	}
}

// inherit notes what a client that begins a new session is still owed of prior's, which
// ended before all of it was read. With more than limit such conversations the
// client is owed all messages instead.
func (c *Client) inherit(prior *Client, limit int) {
	none := c.claim.Position.IsZero()
	if none && prior.start < c.start {
		c.owe(prior.start, prior.promised)
	}
	if (prior.scope == scopeUndecided || prior.seesAll() && !prior.all.hadBy(c.claim)) && prior.all.from < c.start {
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
	if len(c.inherited) > limit {
		for _, e := range c.inherited {
			c.owe(e.from, e.promised)
		}
		c.inherited = nil
	}
}
