package gateway

import (
	"context"
	"errors"
	"fmt"
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
	if ownLack(err) {
		g.noteOwnLack(err) // it says nothing of ChatEngine
		return
	}
	g.count.probes.Add(1)
	defer g.tellSpool()
	if err != nil {
		g.count.probesFailed.Add(1)
		decisive := errors.Is(err, errRefused) || errors.Is(err, errLoop) || g.monitor.suspected() && g.confirm(ctx)
		g.monitor.probeFailed(err, decisive)
		return
	}
	ready, sessionsFail := g.monitor.probeSucceeded()
	if !ready && !sessionsFail {
		return
	}
	// The probe says that ChatEngine answers. Before hundreds of clients are
	// sent there, check that it opens a WebSocket, which is what they want. And
	// where clients' sessions fail all the same, this tells whether that is
	// ChatEngine's doing or theirs.
	err = g.upstream.tryWebSocket(ctx)
	switch {
	case ctx.Err() != nil:
	case ownLack(err):
		g.noteOwnLack(err)
	case err != nil && sessionsFail:
		g.monitor.probeFailed(fmt.Errorf("sessions fail: %w", err), true)
	case err != nil:
		g.monitor.probeFailed(err, true)
	default:
		g.monitor.sessionOpened()
		if ready {
			g.monitor.handBack()
		}
	}
}

// confirm reports whether ChatEngine fails a session of the gateway's own too:
// one failed probe may be chance, and what clients' requests come to may be
// their own doing.
func (g *Gateway) confirm(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, g.opts.Timeout)
	defer cancel()
	err := g.upstream.tryWebSocket(ctx)
	return err != nil && !ownLack(err)
}
