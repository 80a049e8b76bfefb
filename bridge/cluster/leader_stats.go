package cluster

import (
	"context"
	"log/slog"
	"slices"
	"time"
)

// LeaderStats is a Leader's state at one moment. Counters are since it began to lead.
type LeaderStats struct {
	Connected bool
	// Since is when Connected last changed, Error why it is not and Remedy what to do.
	Since         time.Time
	Error, Remedy string
	// Entries, Bytes and Beats count what was written.
	Entries, Bytes, Beats uint64
	// Refused counts appends and beats that Redis refused, Refills those of them where it
	// had lost something, Replaced those where that was too old to be appended again.
	Refused, Refills, Replaced uint64
	// Renewed counts the times that the stream had what no bridge wrote, and was begun anew.
	Renewed uint64
	// Warning says what is wrong with what is in Redis, "" for nothing, and WarningRemedy
	// what to do.
	Warning, WarningRemedy string
	// Waiting is how many records are not in the stream, Backlog and BacklogBytes how
	// many are kept; Evicted counts those that a bound dropped.
	Waiting, Backlog, BacklogBytes int
	Evicted                        uint64
}

// Stats reports the Leader's state.
func (l *Leader) Stats() LeaderStats {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := l.stats
	if time.Since(l.lostAt) >= calmAfter && l.doubt == nil {
		s.Warning, s.WarningRemedy = "", ""
	}
	s.Waiting, s.Backlog, s.BacklogBytes = l.backlog.count(l.cursor), l.backlog.len(), l.backlog.bytes
	return s
}

// Began returns since when it leads.
func (l *Leader) Began() time.Time { return l.began }

// Epoch returns the history, and up to where the Leader was given all of it, which is never
// the zero ID: clients may have come to it before the first event, and what the next one
// leaves out is missing to them. A source that begins anew does not know how far it was; what
// it had said until then is in the beats.
func (l *Leader) Epoch() (epoch Epoch, given ID) {
	through := startOf(l.opts.Source().Through)
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.epoch, slices.MaxFunc([]ID{l.given, through, startOf(l.through), {Sub: 1}}, ID.Compare)
}

// connected notes that Redis has taken a beat, and reports whether it takes entries too:
// only then is it connected.
func (l *Leader) connected(ctx context.Context) bool {
	l.mu.Lock()
	was, fails := l.stats.Connected, l.appendFails
	if !was && !fails {
		l.stats.Connected, l.stats.Since, l.stats.Error, l.stats.Remedy, l.remedies = true, time.Now(), "", "", nil
	}
	l.mu.Unlock()
	if !was && !fails {
		l.opts.Logger.LogAttrs(ctx, slog.LevelInfo, "connected to Redis; the other bridges are served from here")
	}
	return !fails
}

// failed notes why there is no connection to Redis, and logs it once, and again where
// something else has to be done.
func (l *Leader) failed(ctx context.Context, err error) {
	l.mu.Lock()
	if l.stats.Connected || l.stats.Error == "" {
		l.stats.Since = time.Now()
	}
	l.stats.Connected, l.stats.Error, l.stats.Remedy = false, err.Error(), Remedy(err)
	fresh := l.remedies.add(l.stats.Remedy)
	l.mu.Unlock()
	if fresh {
		l.opts.Logger.LogAttrs(ctx, slog.LevelWarn, "Redis cannot be used; this bridge serves its own clients on, the other bridges cannot",
			slog.String("error", err.Error()), slog.String("remedy", Remedy(err)))
	}
}

func (l *Leader) disconnected() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.stats.Connected = false
}

// recentGaps returns the gaps that beats carry.
func (l *Leader) recentGaps() []Gap {
	l.mu.Lock()
	defer l.mu.Unlock()
	return append([]Gap(nil), l.gaps...)
}
