package hub

import (
	"slices"
	"sync/atomic"
	"time"

	"chatbridge/bridge/replay"
	"chatbridge/socketio"
	"chatbridge/source"
)

// Client is one socket as the Hub sees it. The exported fields are set before
// Attach or Resume and stay, except Names, which mu guards from Attach on; tenant,
// history and attached are set by Attach and stay; everything else but paced is guarded
// by the Hub's mu.
type Client struct {
	// Workspace is the workspace whose events the client sees. A session is restored
	// only for the same Workspace and User.
	Workspace, User string
	// Feed marks one of the gateway's own connections, which Stats counts apart.
	Feed bool
	// Names tells under which ids the client is given messages.
	Names replay.Naming
	// Owed is the offset, in the text form, from which on the client was owed everything
	// when its earlier session began, as the client says; empty if it does not say.
	// See OwedFrom.
	Owed string
	// Settled, if not nil, is called by the client's pump, without a lock, when there is
	// nothing to send for now; also when the client has gone or the Hub stops.
	Settled func()

	// paced is the packet that the client's pump is sending.
	paced  atomic.Pointer[socketio.Packet]
	socket Socket
	tenant *tenant
	// history is the Hub's when the client was attached.
	history  uint64
	attached time.Time

	session
	view
	reading
	gapState
	absenceState
	footprint

	gone bool
	// elsewhere: it stands for a client of another process.
	elsewhere bool
	left      time.Time // when gone was set
}

// Attach begins to feed a client through its socket: from its offset if it
// restores the session of a prior client, else from the start of the window. offset
// is what the client says it received last, in the text form; empty if nothing.
// began is when the client's earlier session began, as the client says; zero if it had
// none. A client that received nothing in that session is owed what was published since.
func (h *Hub) Attach(c *Client, socket Socket, offset string, began time.Time) {
	defer h.lockInTurn(c.Workspace)()
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
	if c.Names.Other {
		t.named++
		if c.Names.Created < h.began.UnixMicro() {
			c.Names.Since = source.Position{} // it was in an earlier history
		}
	}
	prior := c.prior
	c.prior, c.from = nil, c.claim
	if prior != nil && prior.summed {
		c.inherits = true // its subscriptions were dropped after Resume
	}
	if prior != nil {
		c.continueAway(prior)
		// Before begin and restore, so that what they note of the same gap is not counted
		// again.
		h.repeatGaps(c, prior)
	}
	if prior == nil || c.inherits {
		if prior == nil {
			var unknown error
			if c.claim, unknown = h.parseClaim(offset); unknown != nil && began.IsZero() {
				h.noteGap(c, gap{reason: gapAway, until: now}) // else it is owed all since then
			}
		}
		c.from = h.owedFrom(c.claim, began, c.Owed)
		if prior == nil {
			if c.from.Position.IsZero() && !began.IsZero() && began.Before(c.promised) {
				h.owedSince(c, began, now)
			}
		} else if prior.history == h.history {
			c.inherit(prior, h.opts.MaxSubscriptions)
		}
		h.begin(c, now)
	} else {
		h.restore(c, prior, now)
	}
	if prior != nil {
		prior.continued = true
		h.unsave(prior)
	}
	h.account(c, c.size())
	h.noteLosses(c, prior, now)
	h.startPump(c)
}

// Detach ends a client's feeding. A later client may restore its session.
func (h *Hub) Detach(c *Client) {
	defer h.lockInTurn(c.Workspace)()
	h.stats.Clients--
	if c.Feed {
		h.stats.Feeds--
	}
	c.gone, c.left = true, time.Now()
	if c.grace != nil {
		c.grace.Stop()
		c.grace = nil
	}
	if c.cancel != nil {
		c.cancel()
	}
	if c.awaiting != nil {
		h.waits.wake(c.awaiting)
	}
	for conversation := range c.subscriptions {
		c.tenant.unsubscribe(conversation)
	}
	delete(c.tenant.clients, c)
	if c.Names.Other {
		c.tenant.named--
	}
	c.socket, c.marks, c.backlog = nil, nil, slices.DeleteFunc(c.backlog, func(e *extent) bool { return !e.statesOnly })
	h.save(c)
}
