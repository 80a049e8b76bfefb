package cluster

import (
	"context"
	"log/slog"
	"time"
)

// EdgeStats is an Edge's state at one moment. Counters are since it was made.
type EdgeStats struct {
	// Connected: a leader's beats arrive. Since is when that last changed, Error why not and
	// Remedy what to do.
	Connected     bool
	Since         time.Time
	Error, Remedy string
	// Answered is when Redis last answered.
	Answered time.Time
	// Heard is when the last beat arrived; Beat is that beat, nil before the first.
	Heard time.Time
	Beat  *Beat
	// Joined: the Follower had everything once, and has lost nothing since.
	Joined bool
	// Epoch is the history that is followed. The Follower has everything of it after From,
	// where Joined.
	Epoch Epoch
	From  ID
	// Place is the furthest that a leader's source was known to be at and before which the
	// Follower has everything, nil for none.
	Place *Place
	// Delivered is the last transaction that the Follower was given events of, and its
	// history.
	Delivered Delivered
	// Behind: there was more in the stream when the last beat came; BehindSince is since
	// when that is so. Cover is up to where the Follower has everything.
	Behind      bool
	BehindSince time.Time
	Cover       ID
	// Entries were read, and Records with Bytes of packets applied.
	Entries, Records, Bytes uint64
	// Rejoins counts the times at which something was missing, Restarts the histories,
	// Gaps those that the leader told of.
	Rejoins, Restarts, Gaps uint64
}

// Stats reports the Edge's state.
func (e *Edge) Stats() EdgeStats {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.stats
}

func (e *Edge) count(change func(*EdgeStats)) {
	e.mu.Lock()
	defer e.mu.Unlock()
	change(&e.stats)
}

// delivered notes the last transaction that the Follower was given, as of d.
func (s *EdgeStats) delivered(d Delivered) {
	if !d.Epoch.Continues(s.Delivered.Epoch) {
		s.Delivered = Delivered{}
	}
	s.Delivered.Epoch = d.Epoch
	s.Delivered.note(d.Commit, d.Time)
}

// failed notes why no leader is heard, and logs it once, and again where something else has
// to be done.
func (e *Edge) failed(ctx context.Context, err error) {
	if e.disconnected(err) {
		e.opts.Logger.LogAttrs(ctx, slog.LevelWarn, "the cluster's leader cannot be heard",
			slog.String("error", err.Error()), slog.String("remedy", Remedy(err)))
	}
}

// disconnected notes that no leader is heard, and why, nil for that it was told to end. It
// reports whether there is something to log.
func (e *Edge) disconnected(err error) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.stats.Connected || e.stats.Error == "" && err != nil {
		e.stats.Since = time.Now()
	}
	e.stats.Connected, e.stats.Error, e.stats.Remedy = false, "", Remedy(err)
	if err != nil {
		e.stats.Error = err.Error()
	}
	return e.remedies.add(e.stats.Remedy)
}
