package pipeline

import (
	"chatbridge/mapping/engine"
	"chatbridge/source"
)

// Stats is what a Pipeline did since its start.
type Stats struct {
	// Delay counts the time from commit, by the database's clock, to
	// publication, by ours.
	Delay Histogram
	// Gaps counts the losses that the source declared; LastGap is the latest.
	Gaps    uint64
	LastGap *source.Gap
	Mapping engine.Stats
}

// Stats returns a snapshot.
func (p *Pipeline) Stats() Stats {
	return Stats{
		Delay: p.delay.snapshot(), Gaps: p.gaps.Load(),
		LastGap: p.lastGap.Load(), Mapping: p.mapper.Stats(),
	}
}
