package gateway

import (
	"context"
	"errors"
	"time"
)

// watchHealth probes at every interval, and at once when a failure is suspected.
// One goroutine, so probes never overlap.
func (g *Gateway) watchHealth(ctx context.Context) error {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-timer.C:
		case <-g.monitor.probeNow:
		}
		g.probe(ctx)
		timer.Reset(g.opts.Interval)
	}
}

// probe probes once and takes over what follows from it.
func (g *Gateway) probe(ctx context.Context) {
	err := g.upstream.probe(ctx)
	if ctx.Err() != nil {
		return
	}
	g.count.probes.Add(1)
	if err != nil {
		g.count.probesFailed.Add(1)
		g.monitor.probeFailed(err, errors.Is(err, errRefused) || g.monitor.suspected())
		return
	}
	if !g.monitor.probeSucceeded() {
		return
	}
	// The probe says that ChatEngine answers. Before hundreds of clients are
	// sent there, check that it opens a WebSocket, which is what they want.
	if err := g.upstream.tryWebSocket(ctx); err != nil {
		if ctx.Err() == nil {
			g.monitor.probeFailed(err, true)
		}
		return
	}
	g.monitor.sessionOpened()
	g.monitor.handBack()
}
