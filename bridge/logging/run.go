package logging

import (
	"context"
	"time"
)

// Run writes event "recovered" for repeated lines that have stopped. When ctx ends, it
// writes the pending counts and returns nil.
func (l *Log) Run(ctx context.Context) error {
	if l.repeats.interval < 0 {
		<-ctx.Done()
		return nil
	}
	tick := time.NewTicker(max(l.repeats.interval/4, time.Millisecond))
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			l.repeats.flush()
			return nil
		case now := <-tick.C:
			l.repeats.expire(now)
		}
	}
}

// Stats counts lines since New.
type Stats struct {
	// Lines counts the written lines by level: debug, info, warn, error.
	Lines map[string]uint64
	// Suppressed counts the repetitions that were not written.
	Suppressed uint64
}

// Stats returns the counters as of now.
func (l *Log) Stats() Stats {
	names := [levels]string{"debug", "info", "warn", "error"}
	s := Stats{Lines: make(map[string]uint64, levels), Suppressed: l.repeats.suppressed.Load()}
	for i, name := range names {
		s.Lines[name] = l.repeats.lines[i].Load()
	}
	return s
}
