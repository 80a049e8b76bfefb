package pipeline

import (
	"time"

	"chatbridge/internal/histogram"
	"chatbridge/mapping/engine"
	"chatbridge/source"
)

// delayLayout is the layout of the commit-to-publish histogram: from the half millisecond
// that an idle machine needs to the minutes after an outage. Its native buckets range from
// 61 µs to 36 hours.
var delayLayout = histogram.NewLayout(
	-14, 17,
	500*time.Microsecond, time.Millisecond, 2500*time.Microsecond, 5*time.Millisecond, 10*time.Millisecond,
	25*time.Millisecond, 50*time.Millisecond, 100*time.Millisecond, 250*time.Millisecond, 500*time.Millisecond,
	time.Second, 2500*time.Millisecond, 5*time.Second, 10*time.Second, 30*time.Second, time.Minute, 5*time.Minute,
)

// Stats is what a Pipeline did since its start.
type Stats struct {
	// Delay counts the time from commit, by the database's clock, to
	// publication, by ours.
	Delay histogram.Snapshot
	// Gaps counts the losses that the source declared; LastGap is the latest.
	Gaps    uint64
	LastGap *source.Gap
	Mapping engine.Stats
}

// Stats returns a snapshot.
func (p *Pipeline) Stats() Stats {
	return Stats{
		Delay: p.delay.Snapshot(), Gaps: p.gaps.Load(),
		LastGap: p.lastGap.Load(), Mapping: p.mapper.Stats(),
	}
}
