package telemetry

import (
	"sync/atomic"
	"time"

	"chatbridge/bridge/pipeline"
	"chatbridge/source"
)

const (
	// traceEvery is the shortest time between two transactions that are traced: a ratio
	// would be a flood or nothing, as the rate changes.
	traceEvery = time.Second
	// maxTimed bounds what waits to be made into spans.
	maxTimed = 64
)

// follower chooses the transactions.
type follower struct {
	on    atomic.Bool
	last  time.Time // of the pipeline's goroutine alone
	timed chan *pipeline.Passage

	sampled, dropped atomic.Uint64
}

func newFollower() *follower { return &follower{timed: make(chan *pipeline.Passage, maxTimed)} }

// Follows implements pipeline.Follower.
func (f *follower) Follows(source.Tx) bool {
	if !f.on.Load() {
		return false
	}
	now := time.Now()
	if now.Sub(f.last) < traceEvery {
		return false
	}
	f.last = now
	return true
}

// Passed implements pipeline.Follower.
func (f *follower) Passed(p *pipeline.Passage) {
	f.sampled.Add(1)
	select {
	case f.timed <- p:
	default:
		f.dropped.Add(1)
	}
}
