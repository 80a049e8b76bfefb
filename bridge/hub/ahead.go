package hub

import (
	"time"

	"chatbridge/bridge/replay"
	"chatbridge/internal/retry"
)

// A client may come from another process that had published more, or from this one's
// predecessor, which had read on further. What the log has then is older than what the
// client has: its states would go back. So it is fed only when the log is as far. It misses
// nothing by that, because what it does not have yet comes after its claim.

const (
	// aheadWait is how long a client waits while nothing is published: what it claims may
	// not come.
	aheadWait = 10 * time.Second
	// aheadPoll is how often it is looked whether the log is as far.
	aheadPoll = 50 * time.Millisecond
)

// isAhead tells that a client has what was not published here, and may be yet. What is older
// than the window is not read again. mu must be held.
func (h *Hub) isAhead(c *Client) bool {
	if c.waited || c.history != h.history || c.claim.Position.Compare(h.log.Head()) <= 0 {
		return false
	}
	now := time.Now()
	return h.possible(c.claim, now) && c.claim.Commit.After(now.Add(-h.opts.Replay.Window-replay.Slack))
}

// awaitLog waits until the log is as far as a client. Only its pump calls it.
func (h *Hub) awaitLog(c *Client) {
	var head Offset
	for idle := time.Duration(0); ; idle += aheadPoll {
		release := h.lockInTurn(c.Workspace)
		if now := h.headOffset(); now.Position != head.Position {
			head, idle = now, 0
		}
		if c.waited = idle >= aheadWait; c.waited || c.gone || !h.isAhead(c) {
			c.pace.begin(time.Now())
			release()
			return
		}
		release()
		if retry.Sleep(h.running, aheadPoll) != nil {
			return
		}
	}
}
