package hub

import (
	"context"
	"time"

	"chatbridge/bridge/replay"
)

// A client may come from another process that had published more, or from this one's
// predecessor, which had read further. The log then ends before the client's claim, and
// older states from it would follow newer ones that the client has. So the client is fed
// only once the log reaches its claim. It misses nothing by waiting: what it lacks comes
// after its claim.

// aheadWait is how long a client waits while nothing is published: the event that it
// claims may never come.
const aheadWait = 10 * time.Second

// isAhead tells that a client claims an event that has not been published here, but may
// still be. An event older than the window is not expected any more. mu must be held.
func (h *Hub) isAhead(c *Client) bool {
	if c.waited || c.history != h.history || c.claim.Position.Compare(h.log.Head()) <= 0 {
		return false
	}
	now := time.Now()
	return h.possible(c.claim, now) && c.claim.Commit.After(now.Add(-h.opts.Replay.Window-replay.Slack))
}

// awaitLog waits until the log reaches a client's claim, the client has to be told of a
// gap, or aheadWait is over. Only the client's pump calls it.
func (h *Hub) awaitLog(c *Client) {
	release := h.lockInTurn(c.Workspace)
	defer func() { release() }()
	for began := time.Now(); !c.gone && h.running.Err() == nil && len(c.gaps) == 0 && h.isAhead(c); {
		idle := min(time.Since(began), time.Since(h.headMoved))
		if c.waited = idle >= aheadWait; c.waited {
			break
		}
		e := h.waits.add(c.claim)
		c.awaiting = e
		release()
		limited, cancel := context.WithTimeout(h.running, aheadWait-idle)
		h.wait(limited, e)
		cancel()
		release = h.lockInTurn(c.Workspace)
		c.awaiting = nil
		h.removeWait(e)
	}
	c.pace.begin(time.Now())
}
