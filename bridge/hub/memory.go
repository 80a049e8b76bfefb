package hub

import (
	"container/list"
	"time"

	"chatbridge/bridge/replay"
)

// The memory of clients' subscriptions is accounted for by client, by workspace and in
// all, and bounded in all by Options.SessionBytes. Where there is no room for another
// subscription, the sessions of clients that have left are summed up first, beginning
// with the workspace where these take most: such a client begins a new session when it
// comes back, and is still owed what it was. If that is not enough, a workspace that
// would exceed an equal share of the bound is refused. The others may go on, up to twice
// the bound in all.

const (
	// subscriptionBytes is what a subscription takes beside the conversation's id:
	// the extent, its room, and its places in the maps.
	subscriptionBytes = 640
	// savedSubscriptionBytes is the same for a client that has left.
	savedSubscriptionBytes = 200
	// savedClientBytes is what a client that has left takes itself.
	savedClientBytes = 1024
)

// sumAtOnce bounds the sessions that are summed up while the lock is held once.
const sumAtOnce = 16

// footprint is what a client's subscriptions take.
type footprint struct {
	// accounted is what the sums of the tenant and the Hub contain of it, in bytes.
	accounted int64
	place     *list.Element // in tenant.saved, nil if it is not there
	// continued: another client goes on with its session, so nobody comes back to it.
	continued bool
	// summed: it has left, and its subscriptions were dropped.
	summed bool
}

// memory is what the subscriptions of all clients take, in bytes. Hub.mu guards it.
type memory struct {
	bytes, saved int64 // of all, and of those that left
	// active counts the workspaces that have any.
	active int
}

// size is what the client's subscriptions take.
func (c *Client) size() int64 {
	n, size := int64(len(c.subscriptions)+len(c.inherited)), int64(0)
	if n == 0 {
		return 0
	}
	for _, of := range []map[string]*extent{c.subscriptions, c.inherited} {
		for conversation := range of {
			size += int64(len(conversation))
		}
	}
	if c.gone {
		return size + savedClientBytes + n*savedSubscriptionBytes
	}
	return size + n*subscriptionBytes
}

// account notes that the client's subscriptions take size bytes. mu must be held.
func (h *Hub) account(c *Client, size int64) {
	t, grown, before := c.tenant, size-c.accounted, c.tenant.bytes
	c.accounted = size
	t.bytes += grown
	h.memory.bytes += grown
	switch {
	case before == 0 && t.bytes > 0:
		h.memory.active++
	case before > 0 && t.bytes == 0:
		h.memory.active--
	}
}

// memoryFor tells whether the client may take more bytes in addition, and sums up saved
// sessions where there is no room. mu must be held.
func (h *Hub) memoryFor(c *Client, more int64) bool {
	bound := h.opts.SessionBytes
	if bound <= 0 || h.memory.bytes+more <= bound {
		return true
	}
	h.sumUpSaved(bound - more)
	if h.memory.bytes+more <= bound {
		return true
	}
	workspaces := h.memory.active
	if c.tenant.bytes == 0 {
		workspaces++
	}
	if c.tenant.bytes+more <= bound/int64(workspaces) && h.memory.bytes+more <= 2*bound {
		return true
	}
	h.limited(limitSessionBytes, c.Workspace)
	return false
}

// sumUpSaved sums up sessions of clients that left, until all subscriptions take no more
// than bound or sumAtOnce are summed up: those that left first, of the workspace where
// saved sessions take most.
func (h *Hub) sumUpSaved(bound int64) {
	var most *tenant
	for n := 0; n < sumAtOnce && h.memory.saved > 0 && h.memory.bytes > bound; n++ {
		if most == nil || most.savedBytes == 0 {
			for _, t := range h.tenants {
				if most == nil || t.savedBytes > most.savedBytes {
					most = t
				}
			}
		}
		c := most.saved.Front().Value.(*Client)
		h.unsave(c)
		c.sumUp()
		h.limited(limitSavedSessions, c.Workspace)
	}
}

// sumUp drops the subscriptions of a client that has left. What it was owed of them
// becomes one extent, of all conversations.
func (c *Client) sumUp() {
	sum := extent{from: c.start, promised: c.promised, joined: true}
	add := func(e *extent, joined bool) {
		sum.from = min(sum.from, e.from)
		if e.promised.Before(sum.promised) {
			sum.promised = e.promised
		}
		sum.joined = sum.joined && joined
		if e.since.Compare(sum.since) > 0 {
			sum.since = e.since
		}
	}
	if c.scope != scopeSubscribed {
		add(&c.all, c.all.joined)
	}
	for _, e := range c.subscriptions {
		add(e, e.joined)
	}
	for _, e := range c.inherited {
		add(e, false)
	}
	sum.joined = sum.joined && len(c.backlog) == 0
	c.scope, c.all, c.summed = scopeAll, sum, true
	c.subscriptions, c.inherited, c.backlog = nil, nil, nil
}

// save keeps what a client that has left needs when it comes back, and accounts for
// it. mu must be held.
func (h *Hub) save(c *Client) {
	if c.continued {
		c.subscriptions, c.inherited = nil, nil
	}
	h.account(c, c.size())
	if c.accounted == 0 {
		return
	}
	c.place = c.tenant.saved.PushBack(c)
	c.tenant.savedBytes += c.accounted
	h.memory.saved += c.accounted
}

// unsave ends the accounting for a client that has left. mu must be held.
func (h *Hub) unsave(c *Client) {
	if c.place == nil {
		return
	}
	c.tenant.saved.Remove(c.place)
	c.place = nil
	c.tenant.savedBytes -= c.accounted
	h.memory.saved -= c.accounted
	h.account(c, 0)
}

// expireSaved ends the accounting for the workspace's clients that left so long ago
// that their sessions are saved no longer, expireBatch of them at most. It reports
// whether there may be more of these.
func (h *Hub) expireSaved(t *tenant, now time.Time) (more bool) {
	for range expireBatch {
		if !h.savedDue(t, now) {
			return false
		}
		h.unsave(t.saved.Front().Value.(*Client))
	}
	return true
}

// savedDue reports whether a client left longer ago than it can come back. mu is held.
func (h *Hub) savedDue(t *tenant, now time.Time) bool {
	first := t.saved.Front()
	return first != nil && now.Sub(first.Value.(*Client).left) >= h.opts.Replay.Window+replay.Slack
}
