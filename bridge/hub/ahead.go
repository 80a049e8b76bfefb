package hub

import (
	"context"
	"time"

	"chatbridge/bridge/replay"
)

// A client may come from another process that had published more, or from this one's
// predecessor, which had read on further. What the log has then is older than what the
// client has: its states would go back. So it is fed only when the log is as far. It misses
// nothing by that, because what it does not have yet comes after its claim.

// aheadWait is how long a client waits while nothing is published: what it claims may
// not come.
const aheadWait = 10 * time.Second

// isAhead tells that a client has what was not published here, and may be yet. What is older
// than the window is not read again. mu must be held.
func (h *Hub) isAhead(c *Client) bool {
	if c.waited || c.history != h.history || c.claim.Position.Compare(h.log.Head()) <= 0 {
		return false
	}
	now := time.Now()
	return h.possible(c.claim, now) && c.claim.Commit.After(now.Add(-h.opts.Replay.Window-replay.Slack))
}

// awaitLog waits until the log is as far as a client, or there is a gap to tell it. Only its
// pump calls it.
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
