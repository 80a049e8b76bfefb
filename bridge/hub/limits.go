package hub

import "time"

// limit is a bound that a workspace or its clients have reached.
type limit uint8

const (
	// limitSessionBytes: a subscription was refused, Options.SessionBytes.
	limitSessionBytes limit = iota
	// limitSavedSessions: the session of a client that left was summed up to make
	// room in Options.SessionBytes.
	limitSavedSessions
	limitCount
)

var limitNames = [limitCount]string{"session_bytes", "saved_sessions"}

// String returns the limit as metrics and logs show it.
func (l limit) String() string { return limitNames[l] }

// limitReached is a line of the log.
type limitReached struct {
	limit     limit
	workspace string
}

// limited counts that a workspace has reached a limit, and puts a line aside for the
// log, once a minute for each limit. mu must be held.
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
