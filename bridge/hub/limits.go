package hub

import (
	"time"

	"chatbridge/socketio"
)

// limit is a bound that a workspace or its clients have reached.
type limit uint8

const (
	// limitSessionBytes: a subscription was refused, Options.SessionBytes.
	limitSessionBytes limit = iota
	// limitSavedSessions: the session of a client that left was summed up to make
	// room in Options.SessionBytes.
	limitSavedSessions
	// limitClients: a client was turned away for now, Shares.Clients.
	limitClients
	// limitSubscriptions: a subscription was refused, Shares.Subscriptions.
	limitSubscriptions
	// limitCatchUp: packets of the log had to wait, Shares.CatchUp.
	limitCatchUp
	// limitPause: Publish did not wait for the workspace's clients any longer, Shares.Pause.
	limitPause
	limitCount
)

var limitNames = [limitCount]string{
	"session_bytes", "saved_sessions", "workspace_clients", "workspace_subscriptions", "workspace_catch_up", "workspace_pause",
}

// String returns the limit as metrics and logs show it.
func (l limit) String() string { return limitNames[l] }

// limitReached is a line to be logged.
type limitReached struct {
	limit     limit
	workspace string
}

// limited counts that a workspace has reached a limit, and puts a line aside to be
// logged, once a minute at most for each limit. mu must be held.
func (h *Hub) limited(l limit, workspace string) {
	h.stats.Limits[l]++
	if now := time.Now(); now.Sub(h.limitLogged[l]) >= gapLogInterval {
		h.limitLogged[l] = now
		h.limitsToLog = append(h.limitsToLog, limitReached{l, workspace})
	}
}

// logLimits logs what limited has put aside.
func (h *Hub) logLimits() {
	h.lock()
	reached := h.limitsToLog
	h.limitsToLog = nil
	h.unlock()
	for _, r := range reached {
		h.opts.Logger.Warn("a workspace has reached a limit of what its clients may take; more of the same are only counted",
			"limit", r.limit.String(), "workspace", r.workspace)
	}
}

// Full tells whether the workspace has as many clients as Shares.Clients allows. If so,
// it counts a client that was turned away.
func (h *Hub) Full(workspace string) bool {
	most := h.opts.Workspace.Clients
	if most <= 0 {
		return false
	}
	h.lock()
	defer h.unlock()
	t := h.tenants[workspace]
	if t == nil || len(t.clients) < most {
		return false
	}
	h.limited(limitClients, workspace)
	return true
}

// HasClients tells whether the workspace has clients here other than the gateway's own
// feeds.
func (h *Hub) HasClients(workspace string) bool {
	defer h.lockInTurn(workspace)()
	t := h.tenants[workspace]
	if t == nil {
		return false
	}
	for c := range t.clients {
		if !c.Feed {
			return true
		}
	}
	return false
}

// catchUpWait returns how long to wait before packets are sent to a client, so that its
// workspace's clients keep to Shares.CatchUp, and counts the packets as sent. A second's
// worth may go at once. mu must be held.
func (h *Hub) catchUpWait(t *tenant, packets []*socketio.Packet, now time.Time) time.Duration {
	rate := h.opts.Workspace.CatchUp
	if rate <= 0 {
		return 0
	}
	if t.catchUp.Before(now) {
		t.catchUp = now
	}
	wait := t.catchUp.Sub(now) - time.Second
	for _, p := range packets {
		t.catchUp = t.catchUp.Add(time.Duration(p.Size()) * time.Second / time.Duration(rate))
	}
	if wait <= 0 {
		return 0
	}
	h.limited(limitCatchUp, t.space.Workspace)
	return wait
}
