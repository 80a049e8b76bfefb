//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"chatbridge/bench/internal/load"
	"chatbridge/bench/internal/peer"
	"chatbridge/bench/internal/proc"
	"chatbridge/bench/internal/results"
	"chatbridge/bench/internal/served"
)

const (
	// slowRate is how many bytes a second a slow client reads; slowEvents are some 50
	// kB a second for each.
	slowRate   = 20_000
	slowEvents = 100
	slowBuffer = 16 << 10 // the slow clients' receive buffer
)

var slowScene = scene{
	name: "slow", title: "A slow tenth", clients: 1000, duration: 20 * time.Second,
	about: func(p plan) string {
		return fmt.Sprintf("One room of %d clients, %d events a second, some 50 kB a second for each. Then a tenth of them reads %d kB a second.",
			p.clients, slowEvents, slowRate/1000)
	},
	measure: measureSlow,
	asked: map[string]results.Asked{
		"p99, with ÷ without": {Most: 1.2},
	},
}

func measureSlow(ctx context.Context, p plan, server peer.Peer, r *recorder) error {
	without, err := p.slowly(ctx, server, 0)
	if err != nil {
		return fmt.Errorf("without slow clients: %w", err)
	}
	with, err := p.slowly(ctx, server, p.clients/10)
	if err != nil {
		return fmt.Errorf("with slow clients: %w", err)
	}
	for _, of := range []struct {
		suffix string
		slowFigures
	}{{", all fast", without}, {", a tenth slow", with}} {
		r.add("p50 ms of the fast"+of.suffix, of.p50)
		r.add("p99 ms of the fast"+of.suffix, of.p99)
		r.add("CPU s"+of.suffix, of.cpu)
		r.add("RSS peak, MB"+of.suffix, of.peak)
		r.add("disturbed, %"+of.suffix, of.disturbed)
	}
	r.add("p99, with ÷ without", with.p99/max(without.p99, 0.001))
	r.add("slow clients that were closed", float64(with.closed))
	note("  p99 %.1f ms without, %.1f ms with, %d slow clients closed", without.p99, with.p99, with.closed)
	return nil
}

type slowFigures struct {
	p50, p99, cpu, peak, disturbed float64
	closed                         int
}

// slowly measures what the fast clients notice of slow ones.
func (p plan) slowly(ctx context.Context, server peer.Peer, slow int) (f slowFigures, err error) {
	fast := oneRoom(p.clients - slow)
	s, err := open(ctx, server, fast, peer.Options{Cores: peer.ServerCore})
	if err != nil {
		return f, err
	}
	defer s.Close()
	done, ended := make(chan struct{}), make(chan error, 1)
	if slow == 0 {
		ended <- nil
	} else {
		g, err := connectSlow(ctx, server, s, slow)
		if err != nil {
			return f, err
		}
		defer g.Close()
		go func() {
			var err error
			f.closed, err = g.Trickle(ctx, slowRate, done)
			ended <- err
		}()
	}
	if _, err = s.send(ctx, fast, slowEvents, min(p.duration, time.Second), 1); err == nil {
		err = proc.ResetPeak(s.PID())
	}
	var got served.Sent
	if err == nil {
		got, err = s.send(ctx, fast, slowEvents, p.duration, 1)
	}
	close(done)
	if err := errors.Join(err, <-ended); err != nil {
		return f, err
	}
	peak, err := proc.Memory(s.PID(), "VmHWM")
	f.p50, f.p99 = ms(got.Latency.Quantile(0.5)), ms(got.Latency.Quantile(0.99))
	f.cpu, f.peak, f.disturbed = got.Used.CPU.Seconds(), float64(peak)/1000, 100*got.Disturbed()
	return f, err
}

func connectSlow(ctx context.Context, server peer.Peer, s *session, n int) (*load.Group, error) {
	o, err := oneRoom(n).options(server, s.Process)
	if err != nil {
		return nil, err
	}
	o.ReceiveBuffer = slowBuffer
	g, _, err := load.Dial(ctx, o)
	if err != nil {
		return nil, fmt.Errorf("connect slow clients: %w", err)
	}
	return g, g.Idle(ctx, settle)
}
