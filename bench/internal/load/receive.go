//go:build linux

package load

import (
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sys/unix"
)

// settle is how long nothing must arrive, after the server has sent
// everything, before what is missing counts as lost. Well above the 250 ms
// that a delivery may take.
const settle = 1500 * time.Millisecond

// Result is what became of one publication.
type Result struct {
	// Deliveries were received, Lost were not.
	Deliveries, Lost uint64
	// Disorder counts sampled events with a number below that of an earlier
	// one on the same connection.
	Disorder uint64
	// Ended is how many connections have ended, which but for Listen is an error.
	Ended int
	// Took is the time from the call to the last delivery.
	Took time.Duration
	// CPU is what the generator itself used: near Took, it was the bottleneck.
	CPU time.Duration
	// Latency is the time from when an event was due to when it was read.
	Latency Histogram
}

// Receive reads until each client has had the given number of events, or,
// after published is closed, nothing has come for a while. Of one delivery in
// sampleEvery the latency is taken.
func (g *Group) Receive(ctx context.Context, events int, sampleEvery int, published <-chan struct{}) (Result, error) {
	cpu, unpin := pinThread()
	defer unpin()
	g.deliveries, g.disorder, g.hist, g.sampleEvery = 0, 0, Histogram{}, uint64(sampleEvery)
	for i := range g.conns {
		g.conns[i].frames, g.conns[i].last = 0, 0
	}
	want := uint64(events) * uint64(len(g.conns))
	start, cpu0 := time.Now(), cpu()
	last, lastAt := uint64(0), start
	for g.deliveries < want {
		if err := g.step(ctx, 50*time.Millisecond); err != nil {
			return Result{}, err
		}
		if g.deliveries != last {
			last, lastAt = g.deliveries, time.Now()
			continue
		}
		select {
		case <-published:
			if time.Since(lastAt) > settle {
				want = 0
			}
		default:
			lastAt = time.Now()
		}
	}
	r := Result{
		Deliveries: g.deliveries, Disorder: g.disorder, Took: time.Since(start), CPU: cpu() - cpu0, Latency: g.hist,
	}
	for i := range g.conns {
		if n := g.conns[i].frames; n < uint64(events) {
			r.Lost += uint64(events) - n
		}
	}
	if g.ended > 0 {
		return r, fmt.Errorf("%d of %d connections ended: %w", g.ended, len(g.conns), g.firstErr)
	}
	return r, nil
}

// Listen reads until done is closed, and takes the latency of one delivery in
// sampleEvery. What did not come by then is not known to be lost; connections that end
// are counted.
func (g *Group) Listen(ctx context.Context, sampleEvery int, done <-chan struct{}) (Result, error) {
	cpu, unpin := pinThread()
	defer unpin()
	g.deliveries, g.disorder, g.hist, g.sampleEvery = 0, 0, Histogram{}, uint64(sampleEvery)
	start, cpu0 := time.Now(), cpu()
	for listening := true; listening; {
		select {
		case <-done:
			listening = false
		default:
			if err := g.step(ctx, 50*time.Millisecond); err != nil {
				return Result{}, err
			}
		}
	}
	r := Result{Deliveries: g.deliveries, Disorder: g.disorder, Took: time.Since(start), CPU: cpu() - cpu0, Latency: g.hist, Ended: g.ended}
	return r, nil
}

// Discard throws away what comes, in the kernel, until done is closed: the least that
// receiving can cost. Heartbeats are thrown away too, so servers close the connections
// after 45 s by default.
func (g *Group) Discard(ctx context.Context, done <-chan struct{}) error {
	// With MSG_TRUNC nothing is copied; a byte is needed to say how much.
	buf := make([]byte, 1<<20)
	for {
		select {
		case <-done:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		default:
		}
		n, err := unix.EpollWait(g.epoll, g.events[:], 20)
		if err != nil && !errors.Is(err, unix.EINTR) {
			return fmt.Errorf("wait: %w", err)
		}
		for _, e := range g.events[:max(n, 0)] {
			c := &g.conns[e.Fd]
			if n, _, err := unix.Recvfrom(c.fd, buf, unix.MSG_TRUNC|unix.MSG_DONTWAIT); n == 0 && err == nil {
				return errEnded
			}
		}
	}
}

// Trickle reads each connection at a rate, in bytes a second, until done is closed, as
// a client on a bad line does. It returns how many connections the server has ended.
func (g *Group) Trickle(ctx context.Context, rate int, done <-chan struct{}) (ended int, err error) {
	const every = 100 * time.Millisecond
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case <-done:
			return g.ended, nil
		case <-ctx.Done():
			return g.ended, ctx.Err()
		case <-tick.C:
		}
		for i := range g.conns {
			c := &g.conns[i]
			if c.state == gone {
				continue
			}
			if err := g.read(c, rate/int(time.Second/every)); err != nil {
				g.end(c, err)
			}
		}
	}
}

// Idle keeps the connections alive for a while in which nothing is published.
func (g *Group) Idle(ctx context.Context, d time.Duration) error {
	for end := time.Now().Add(d); time.Now().Before(end); {
		if err := g.step(ctx, min(time.Until(end)+time.Millisecond, 100*time.Millisecond)); err != nil {
			return err
		}
	}
	if g.ended > 0 {
		return fmt.Errorf("%d of %d idle connections ended: %w", g.ended, len(g.conns), g.firstErr)
	}
	return nil
}
