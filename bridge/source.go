package bridge

import (
	"context"
	"time"

	"chatbridge/bridge/api"
	"chatbridge/bridge/ops"
	"chatbridge/source"
)

// Source follows the changes of the database.
type Source interface {
	// Run feeds handler until ctx ends, and then returns nil or ctx's error.
	// It retries by itself after failures that may pass; an error is for good.
	Run(ctx context.Context, handler source.Handler) error
	// Health may be called from any goroutine, also while Run does not run.
	Health() ops.Health
	// Measure puts the source's counters into a Snapshot. Safe for concurrent
	// use.
	Measure(to *ops.Snapshot)
}

// sourceState tells the API and the gateway how far a source is. It is an
// api.SourceState.
type sourceState struct{ Source }

// caughtUpBytes is how many bytes of the server's log may be unread in a source that
// counts as caught up: what a busy server writes between two polls.
const caughtUpBytes = 64 << 10

// CaughtUp tells that the source has read what was committed until now.
func (s sourceState) CaughtUp() bool { return caughtUp(s.Health()) }

func caughtUp(h ops.Health) bool {
	return h.Flowing && h.LagBytes <= caughtUpBytes && h.Lag < 1
}

// Standby reports whether another bridge has the slot.
func (s sourceState) Standby() bool { return s.Health().State == ops.StateStandby }

// Hearing returns whether a bridge of a cluster hears its leader; Heard without a cluster.
func (s sourceState) Hearing() api.Hearing {
	if c := clusterOf(s.Source); c != nil {
		return c.hearing(time.Now())
	}
	return api.Heard
}

// quietAfter is how long no transaction must have come for the database to count as
// quiet, rather than the source as late.
const quietAfter = 3 * time.Second

// Fresh tells whether the replay log holds what was committed before since. That the
// source streams is not enough: after a start it begins at the window's start. It compares
// the server's clock with ours, and is wrong by as much as they differ.
func (s sourceState) Fresh(since time.Time) bool {
	h := s.Health()
	recent := h.LastTransaction != nil && h.LastTransaction.After(since) || time.Since(since) >= quietAfter
	return recent && caughtUp(h)
}
