//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"time"

	"chatbridge/bench/internal/peer"
	"chatbridge/bench/internal/served"
)

const (
	// widen is the step of the search for the highest rate until it is between
	// two, halve how often that gap is halved then: to 1.5^(1/8), 5 %.
	widen = 1.5
	halve = 3
	// chances is how often a rate must fail to count as too high.
	chances = 2
	// grace is how much longer than it should take a probe may last.
	grace = 5 * time.Second
)

// peak searches for the highest rate that the server keeps up with.
func (p plan) peak(ctx context.Context, server peer.Peer, before float64, f *figures) error {
	k := guess(server.Name)
	if before > 0 {
		k = before
	}
	var s *session
	defer func() {
		if s != nil {
			s.Close()
		}
	}()
	good, bad, tries := 0.0, math.Inf(1), 0
	for left := halve; left > 0; {
		if s == nil {
			var err error
			if s, err = p.open(ctx, server, p.clients); err != nil {
				return err
			}
			if err := s.warm(ctx); err != nil {
				return err
			}
		}
		r, ok, err := p.try(ctx, s, k)
		if err != nil {
			return err
		}
		if ok {
			good = k
			f.Peak, f.PeakCPU, f.Generator, f.Disturbed = k, r.CPUPerMillion(), r.Busy(), r.Disturbed()
		} else {
			// What it has not sent yet would spoil the next probe.
			s.Close()
			s = nil
			// One more chance: something else may have had the core.
			if tries++; tries < chances {
				continue
			}
			bad = k
		}
		tries = 0
		switch {
		case good == 0 && k < 1:
			return errors.New("keeps up with no rate at all")
		case good == 0:
			k = bad / widen
		case math.IsInf(bad, 1):
			k = good * widen
		default:
			k = math.Sqrt(good * bad)
			left--
		}
	}
	if p.profile != "" && server.Name == "ours" {
		return p.takeProfile(ctx, server, good)
	}
	return nil
}

// try sends k thousand deliveries a second for a while. The server keeps up
// where nothing is lost and 99 in 100 are there in time.
func (p plan) try(ctx context.Context, s *session, k float64) (served.Sent, bool, error) {
	rate := k * 1000 / float64(p.clients)
	events := max(20, int(rate*p.probe.Seconds()))
	limited, cancel := context.WithTimeout(ctx, p.probe+grace)
	defer cancel()
	r, err := s.send(limited, events, rate, sampling(k))
	if ctx.Err() != nil {
		return r, false, ctx.Err()
	}
	p99 := r.Latency.Quantile(0.99)
	ok := err == nil && r.Lost == 0 && r.Disorder == 0 && p99 <= tooLate
	note("peak: %.0f k/s: p50 %v, p99 %v, lost %d, %.2f CPU s/M, generator %.0f %%, disturbed %.0f %%: %s",
		k, r.Latency.Quantile(0.5), p99, r.Lost, r.CPUPerMillion(), 100*r.Busy(), 100*r.Disturbed(), verdict(ok, err))
	return r, ok, nil
}

func verdict(ok bool, err error) string {
	switch {
	case ok:
		return "keeps up"
	case err != nil:
		return "too high: " + err.Error()
	}
	return "too high"
}

// sampling is of how many deliveries one is looked at: all of them while the
// generator has time for it.
func sampling(k float64) int {
	if k < 300 {
		return 1
	}
	return 7 // no divisor of the number of clients
}

// takeProfile runs the server once more at a rate it keeps up with.
func (p plan) takeProfile(ctx context.Context, server peer.Peer, k float64) error {
	s, err := p.open(ctx, server, p.clients)
	if err != nil {
		return err
	}
	defer s.Close()
	if err := s.warm(ctx); err != nil {
		return err
	}
	const d = 5 * time.Second
	done := make(chan error, 1)
	go func() { done <- s.Profile(ctx, d, p.profile) }()
	rate := k * 1000 / float64(p.clients)
	_, err = s.send(ctx, int(rate*(d+time.Second).Seconds()), rate, sampling(k))
	if e := <-done; e != nil {
		err = errors.Join(err, fmt.Errorf("take profile: %w", e))
	}
	fmt.Fprintf(os.Stderr, "  CPU profile at %.0f k/s: %s\n", k, p.profile)
	return err
}

// guess is where the search begins, in thousands of deliveries a second.
func guess(server string) float64 {
	switch server {
	case "gorilla":
		return 80
	case "node":
		return 50
	}
	return 600
}
