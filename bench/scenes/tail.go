//go:build linux

package main

import (
	"context"
	"fmt"
	"time"

	"chatbridge/bench/internal/peer"
	"chatbridge/bench/internal/results"
)

var tailScene = scene{
	name: "tail", title: "The slowest in a thousand", clients: 1000, duration: 30 * time.Second,
	about: func(p plan) string {
		return fmt.Sprintf("One room of %d clients, %d events a second for %v, garbage collection included.", p.clients, steadyRate, p.duration)
	},
	measure: measureTail,
	asked: map[string]results.Asked{
		"p99.9 ms": {Most: 0.7, Of: better},
	},
}

func measureTail(ctx context.Context, p plan, server peer.Peer, r *recorder) error {
	a := oneRoom(p.clients)
	s, err := open(ctx, server, a, peer.Options{Cores: peer.ServerCore})
	if err != nil {
		return err
	}
	defer s.Close()
	if _, err := s.send(ctx, a, steadyRate, min(p.duration, time.Second), 1); err != nil { // to warm up
		return err
	}
	got, err := s.send(ctx, a, steadyRate, p.duration, 1)
	if err != nil {
		return err
	}
	r.add("p50 ms", ms(got.Latency.Quantile(0.5)))
	r.add("p99 ms", ms(got.Latency.Quantile(0.99)))
	r.add("p99.9 ms", ms(got.Latency.Quantile(0.999)))
	r.add("CPU s per million deliveries", got.CPUPerMillion())
	r.add("disturbed, %", 100*got.Disturbed())
	note("  p99.9 %v, disturbed %.0f %%", got.Latency.Quantile(0.999), 100*got.Disturbed())
	return nil
}
