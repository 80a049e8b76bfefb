package gateway

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"time"

	"golang.org/x/sync/errgroup"
)

// suspicion is how long passive evidence counts beside a failed probe.
const suspicion = 5 * time.Second

// Run probes ChatEngine and moves clients until ctx ends, and returns nil then.
func (g *Gateway) Run(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return g.watchHealth(ctx) })
	group.Go(func() error { return g.move(ctx) })
	group.Go(func() error { return g.serveMemory(ctx) })
	err := group.Wait()
	g.transport.CloseIdleConnections()
	if errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}

// serveMemory serves Local to the gateway's own connections.
func (g *Gateway) serveMemory(ctx context.Context) error {
	server := &http.Server{
		Handler:           g.opts.Local,
		ReadHeaderTimeout: g.opts.CatchUpWait,
		ErrorLog:          slog.NewLogLogger(g.log.Handler(), slog.LevelDebug),
		BaseContext:       func(net.Listener) context.Context { return ctx },
	}
	stop := context.AfterFunc(ctx, func() { server.Close() })
	defer stop()
	if err := server.Serve(g.local); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return ctx.Err()
}

// watchHealth probes at every interval, and at once when something is
// suspected. One goroutine, so probes never overlap.
func (g *Gateway) watchHealth(ctx context.Context) error {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-timer.C:
		case <-g.kick:
		}
		g.probeOnce(ctx)
		timer.Reset(g.opts.Interval)
	}
}

func (g *Gateway) probeOnce(ctx context.Context) {
	err := g.probe(ctx)
	if ctx.Err() != nil {
		return
	}
	g.count.probes.Add(1)
	if err != nil {
		g.count.probesFailed.Add(1)
		var p *probeError
		decisive := errors.As(err, &p) && p.refused || time.Since(time.Unix(0, g.suspect.Load())) < suspicion
		g.update(func(now time.Time) bool { return g.machine.failed(now, err, decisive) })
		return
	}
	var ripe bool
	g.update(func(now time.Time) bool {
		ripe = g.machine.succeeded(now)
		return false
	})
	if !ripe {
		return
	}
	// The probe says that ChatEngine answers. Before hundreds of clients are
	// sent there, see whether it opens a websocket, which is what they want.
	if err := g.trial(ctx); err != nil {
		if ctx.Err() == nil {
			g.update(func(now time.Time) bool { return g.machine.failed(now, err, true) })
		}
		return
	}
	g.answered()
	g.update(g.machine.handBack)
}

// move hands clients back, or over where the operator asked for it, a batch at
// a time.
func (g *Gateway) move(ctx context.Context) error {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		status, changed := g.watch()
		moved := g.moveBatch(status)
		if !moved && status.State == HandingBack {
			g.update(g.machine.settled)
			continue
		}
		// With nothing to do, look now and then all the same: a session that was
		// rescued without a change of state is the bridge's until handed back.
		wait := g.opts.HealthyFor
		if moved {
			wait = jitter(g.opts.BatchInterval)
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

// moveBatch closes one batch of those who are on the wrong side, and tells
// whether there were any.
func (g *Gateway) moveBatch(status Status) (any bool) {
	switch {
	case status.State == HandingBack, status.State == Upstream && status.Healthy:
		n := g.opts.Shed(g.opts.Batch)
		g.count.handedBack.Add(uint64(n))
		return n > 0
	case status.State == Local && status.Mode == HoldLocal:
		n := g.cuts.cut(g.opts.Batch)
		g.count.handedOver.Add(uint64(n))
		return n > 0
	}
	return false
}

// newTransport carries the proxied requests and the probes.
func newTransport(o Options) *http.Transport {
	return &http.Transport{
		DialContext:         dialer(o).DialContext,
		TLSClientConfig:     o.TLS,
		TLSHandshakeTimeout: o.HandshakeTimeout,
		MaxIdleConnsPerHost: 64,
		// Node closes idle connections after 5 s. A request sent on one just
		// then fails, and a POST may not be repeated: so give them up first.
		IdleConnTimeout:    3 * time.Second,
		DisableCompression: true, // bodies pass as they are
	}
}
