package bridge

import (
	"context"
	"sync"
	"sync/atomic"
	"time"
)

// availabilityPoll is how often a source is asked whether changes flow.
const availabilityPoll = 500 * time.Millisecond

// availability remembers when a source last delivered changes. The time keeps its
// monotonic reading, so that a step of the clock is no outage.
type availability struct{ at atomic.Pointer[time.Time] }

// during runs a source and polls meanwhile whether changes flow. It returns what
// run returns.
func (a *availability) during(ctx context.Context, flows func(now time.Time) bool, run func() error) error {
	ctx, stop := context.WithCancel(ctx)
	var polling sync.WaitGroup
	polling.Go(func() { a.poll(ctx, flows) })
	defer polling.Wait()
	defer stop()
	return run()
}

func (a *availability) poll(ctx context.Context, flows func(now time.Time) bool) {
	tick := time.NewTicker(availabilityPoll)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-tick.C:
			if flows(now) {
				a.at.Store(&now)
			}
		}
	}
}

// flows notes that changes flow now. Health calls it when it reports so between two polls, so
// that until agrees with that report.
func (a *availability) flows() {
	now := time.Now()
	a.at.Store(&now)
}

// until returns the time of the last poll or note at which changes flowed, zero if
// they never did.
func (a *availability) until() time.Time {
	if at := a.at.Load(); at != nil {
		return *at
	}
	return time.Time{}
}
