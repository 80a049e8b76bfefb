package gateway

import (
	"context"
	"time"

	"chatbridge/internal/retry"
)

// moveClients hands clients back, or over where the operator asked for it, a
// batch at a time.
func (g *Gateway) moveClients(ctx context.Context) error {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		status, changed := g.monitor.watch()
		moved := g.moveBatch(status)
		if !moved && status.State == HandingBack {
			g.monitor.handBackDone()
			continue
		}
		// With nothing to do, check now and then all the same: a session that was
		// rescued without a change of state is the bridge's until handed back.
		wait := g.opts.HealthyFor
		if moved {
			wait = retry.Jitter(g.opts.BatchInterval)
		}
		timer.Reset(wait)
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-changed:
		case <-timer.C:
		}
	}
}

// moveBatch closes one batch of those who are on the wrong side, and reports
// whether there were any.
func (g *Gateway) moveBatch(status Status) (moved bool) {
	switch {
	case status.State == HandingBack, status.State == Upstream && status.Healthy:
		n := g.opts.Shed(g.opts.Batch)
		g.count.handedBack.Add(uint64(n))
		return n > 0
	case status.State == Local && status.Mode == HoldLocal:
		n := g.connections.close(g.opts.Batch)
		g.count.handedOver.Add(uint64(n))
		return n > 0
	}
	return false
}
