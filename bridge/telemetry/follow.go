package telemetry

import (
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"

	"chatbridge/bridge/pipeline"
	"chatbridge/source"
)

const (
	// traceEvery is the time between two transactions that are traced, in the long run: a
	// ratio would be a flood or nothing, as the rate changes. tracesAtOnce are not kept
	// waiting: what comes in pairs would always show its first half.
	traceEvery   = time.Second
	tracesAtOnce = 5
	// maxTimed bounds what waits to be made into spans.
	maxTimed = 64
)

// follower chooses the transactions.
type follower struct {
	on    atomic.Bool
	limit *rate.Limiter
	timed chan *pipeline.Passage

	sampled, dropped atomic.Uint64
}

func newFollower() *follower {
	return &follower{limit: rate.NewLimiter(rate.Every(traceEvery), tracesAtOnce), timed: make(chan *pipeline.Passage, maxTimed)}
}

// Follows implements pipeline.Follower.
func (f *follower) Follows(source.Tx) bool {
	return f.on.Load() && f.limit.Allow()
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
