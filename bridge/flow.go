package bridge

import (
	"context"
	"sync/atomic"
	"time"
)

// flowEvery is how often a source is looked at.
const flowEvery = 500 * time.Millisecond

// flow remembers when changes were last seen to flow. The time keeps its
// monotonic reading, so that a step of the clock is no absence.
type flow struct{ at atomic.Pointer[time.Time] }

// watch looks every half second until ctx ends.
func (f *flow) watch(ctx context.Context, flows func(now time.Time) bool) error {
	tick := time.NewTicker(flowEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case now := <-tick.C:
			if flows(now) {
				f.at.Store(&now)
			}
		}
	}
}

// until returns the time of the last look at which changes flowed, zero if
// they never did.
func (f *flow) until() time.Time {
	if at := f.at.Load(); at != nil {
		return *at
	}
	return time.Time{}
}
