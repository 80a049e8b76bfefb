//go:build linux

package main

import (
	"context"
	"fmt"
	"os"
	"time"

	"chatbridge/bench/internal/load"
	"chatbridge/bench/internal/peer"
	"chatbridge/bench/internal/served"
)

const (
	// steadyRate is in events a second to a thousand clients; more clients get
	// fewer, so that the deliveries are the same. It lasts for steadyTime.
	steadyRate = 20
	steadyTime = 5 * time.Second
	// tooLate is the p99 at which a rate counts as too high for a server.
	tooLate = 250 * time.Millisecond
	// inFlight is how many handshakes are under way at a time.
	inFlight = 100
)

// figures are those of one server in one round. Zero is: not measured.
type figures struct {
	Connects float64 // a second
	IdleKB   float64 // per client

	SteadyCPU            float64 // seconds per million deliveries
	SteadyP50, SteadyP99 time.Duration

	Peak      float64 // thousands of deliveries a second
	PeakCPU   float64 // seconds per million deliveries
	Generator float64 // share of its core that the generator used there
	Disturbed float64 // share of the time that the server waited for its core there
}

// measure takes a peer through the steps. before is what it reached in the
// round before, where the search for the peak begins.
func (p plan) measure(ctx context.Context, server peer.Peer, before figures) (f figures, err error) {
	if p.has("steady") {
		if err := p.steady(ctx, server, &f); err != nil {
			return f, fmt.Errorf("steady: %w", err)
		}
	}
	if p.has("peak") {
		if err := p.peak(ctx, server, before.Peak, &f); err != nil {
			return f, fmt.Errorf("peak: %w", err)
		}
	}
	if p.has("idle") {
		if err := p.idleStep(ctx, server, &f); err != nil {
			return f, fmt.Errorf("idle: %w", err)
		}
	}
	return f, nil
}

// session is a running server with its clients.
type session struct{ *served.Session }

func (p plan) open(ctx context.Context, server peer.Peer, clients int) (*session, error) {
	s, err := peer.Start(ctx, server, peer.Options{Cores: peer.ServerCore})
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	o := load.Options{Addr: s.Addr, Path: peer.Path, Bare: server.Bare, Clients: clients, InFlight: min(inFlight, clients)}
	connected, err := served.Connect(ctx, s, o)
	if err != nil {
		return nil, err
	}
	return &session{connected}, nil
}

// warm has the server do its work for a moment before it is measured.
func (s *session) warm(ctx context.Context) error {
	_, err := s.send(ctx, 20, 100, 1)
	return err
}

// send publishes events at a rate and receives them.
func (s *session) send(ctx context.Context, events int, rate float64, sampleEvery int) (served.Sent, error) {
	return s.Send(ctx, s.Clients, peer.Publication{Count: events, Rate: rate}, events, sampleEvery)
}

// steady measures the rate of a busy day: CPU and latency when nothing is
// queued.
func (p plan) steady(ctx context.Context, server peer.Peer, f *figures) error {
	s, err := p.open(ctx, server, p.clients)
	if err != nil {
		return err
	}
	defer s.Close()
	if err := s.warm(ctx); err != nil {
		return err
	}
	rate := steadyRate * 1000 / float64(p.clients)
	r, err := s.send(ctx, int(rate*steadyTime.Seconds()), rate, 1)
	if err != nil {
		return err
	}
	if r.Lost > 0 {
		return fmt.Errorf("%d of %d deliveries lost at %g events a second", r.Lost, r.Lost+r.Deliveries, rate)
	}
	f.SteadyCPU, f.SteadyP50, f.SteadyP99 = r.CPUPerMillion(), r.Latency.Quantile(0.5), r.Latency.Quantile(0.99)
	note("steady: %.2f CPU s/M, p50 %v, p99 %v", f.SteadyCPU, f.SteadyP50, f.SteadyP99)
	return nil
}

// idleStep measures connecting, and what a connection takes that does nothing.
func (p plan) idleStep(ctx context.Context, server peer.Peer, f *figures) error {
	few, err := p.open(ctx, server, 1)
	if err != nil {
		return err
	}
	base, err := few.SettledRSS(ctx, time.Second)
	few.Close()
	if err != nil {
		return err
	}
	s, err := p.open(ctx, server, p.idle)
	if err != nil {
		return err
	}
	defer s.Close()
	f.Connects = float64(p.idle) / s.Took.Seconds()
	full, err := s.SettledRSS(ctx, time.Second)
	if err != nil {
		return err
	}
	f.IdleKB = float64(full-base) / float64(p.idle)
	note("idle: %.0f connects/s, %.1f kB per client", f.Connects, f.IdleKB)
	return nil
}

func note(format string, args ...any) { fmt.Fprintf(os.Stderr, "  "+format+"\n", args...) }
