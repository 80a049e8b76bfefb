package bridge

import (
	"context"
	"sync/atomic"
	"time"
)

// flowEvery is how often a source is looked at.
const flowEvery = 500 * time.Millisecond

// flow remembers when changes were last seen to flow.
type flow struct{ at atomic.Int64 } // Unix nanoseconds; 0 is never

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
				f.at.Store(now.UnixNano())
			}
		}
	}
}

// until returns the time of the last look at which changes flowed, zero if
// they never did.
func (f *flow) until() time.Time {
	if at := f.at.Load(); at != 0 {
		return time.Unix(0, at)
	}
	return time.Time{}
}
