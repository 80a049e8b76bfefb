package hub

import (
	"context"
	"slices"
	"time"

	"chatbridge/bridge/replay"
	"chatbridge/source"
)

// Portable is what another process has to know of a client's session to go on with it:
// what the client sees, and which offsets prove that it received all it was owed.
type Portable struct {
	// Conversations are its subscriptions. Without any it sees all conversations, and
	// Again tells that it had subscriptions before.
	Conversations []string
	Again         bool
	// Since: an offset past it proves that the client has received all that it was owed
	// until then. Given: an offset before it is of an earlier session.
	Since, Given source.Position
}

// Portable returns what another process has to know of a client's session, as it is now.
// ok is false while the client has not been sent all that it is owed out of order, and
// for a client that is a Feed, has gone, or was attached in an earlier history.
func (h *Hub) Portable(c *Client) (p Portable, ok bool) {
	defer h.lockInTurn(c.Workspace)()
	if c.gone || c.tenant == nil || c.Feed || c.history != h.history || c.scope == scopeUndecided ||
		len(c.backlog)+len(c.inherited) > 0 || c.lacks() || len(c.healing) > 0 ||
		c.away != nil && time.Since(c.attached) <= replay.Slack/2 {
		return p, false
	}
	owed := func(e *extent) {
		ok = ok && e.joined
		p.Since = laterOf(p.Since, e.since)
	}
	ok = true
	if c.seesAll() {
		owed(&c.all)
		p.Again = c.scope == scopeAllAgain
	}
	for conversation, e := range c.subscriptions {
		owed(e)
		p.Conversations = append(p.Conversations, conversation)
	}
	for _, g := range c.sentGaps {
		p.Since = laterOf(p.Since, g.sentAt)
	}
	p.Given = c.given
	slices.Sort(p.Conversations)
	return p, ok
}

func laterOf(a, b source.Position) source.Position {
	if a.Compare(b) < 0 {
		return b
	}
	return a
}

// Subscribed reports whether a client has subscribed to a conversation.
func (h *Hub) Subscribed(c *Client, conversation string) bool {
	defer h.lockInTurn(c.Workspace)()
	return c.subscriptions[conversation] != nil
}

// History counts the calls of Restart. It is for ResumePortable.
func (h *Hub) History() uint64 {
	h.lock()
	defer h.unlock()
	return h.history
}

// ResumePortable makes c the continuation of a client of another process, of the same
// workspace and user, whose last event had the given offset. The log must have had
// everything after from in the history that History numbered history, and the other
// process must be in that same history. It reports false, and leaves c a new client,
// where c could not be given exactly what came after the offset.
func (h *Hub) ResumePortable(c *Client, p *Portable, history uint64, from source.Position, offset string) bool {
	defer h.lockInTurn(c.Workspace)()
	o, err := h.parseClaim(offset)
	if err != nil || o.Position.IsZero() || history != h.history || o.Position.Compare(from) < 0 ||
		o.Position.Compare(h.log.Head()) > 0 || o.Position.Compare(p.Given) < 0 || !h.roomFor(c, p.Conversations) {
		return false
	}
	had := func(conversation string) *extent {
		return &extent{conversation: conversation, joined: true, since: p.Since, promised: o.Commit}
	}
	prior := &Client{Workspace: c.Workspace, User: c.User, history: history, elsewhere: true, gone: true}
	prior.tenant = h.tenantOf([]byte(c.Workspace))
	prior.scope, prior.subscriptions = scopeSubscribed, make(map[string]*extent, len(p.Conversations))
	for _, conversation := range p.Conversations {
		prior.subscriptions[conversation] = had(conversation)
	}
	if len(p.Conversations) == 0 {
		prior.scope, prior.all = scopeAll, *had("")
		if p.Again {
			prior.scope = scopeAllAgain
		}
	}
	if !prior.exact(o) || !h.covers(prior, o) {
		return false
	}
	c.prior, c.claim, c.inherits = prior, o, false
	return true
}

// roomFor tells whether a client may subscribe to all these conversations at once. mu
// must be held.
func (h *Hub) roomFor(c *Client, conversations []string) bool {
	n := len(conversations)
	t := h.tenantOf([]byte(c.Workspace))
	if most := h.opts.Workspace.Subscriptions; n > h.opts.MaxSubscriptions || most > 0 && n > 0 && t.subscriptions+n > most {
		return false
	}
	takes := int64(0)
	for _, conversation := range conversations {
		takes += int64(subscriptionBytes + len(conversation))
	}
	bound := h.opts.SessionBytes
	return bound <= 0 || h.memory.bytes+takes <= bound
}

// AwaitHead waits until the newest event has the given offset or a later one, and reports
// whether it has. It does not wait for an event that cannot come, nor longer than ctx or
// the Hub's Run lasts.
func (h *Hub) AwaitHead(ctx context.Context, offset string) bool {
	for {
		h.lock()
		o, err := h.parseClaim(offset)
		if err != nil || o.Position.Compare(h.log.Head()) <= 0 {
			h.unlock()
			return err == nil
		}
		e := h.waits.add(o)
		h.unlock()
		woken := h.wait(ctx, e)
		h.lock()
		h.removeWait(e)
		h.unlock()
		if !woken {
			return false
		}
	}
}
