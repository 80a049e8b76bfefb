//go:build linux

package main

import (
	"context"
	"fmt"
	"time"

	"chatbridge/bench/internal/peer"
	"chatbridge/bench/internal/results"
	"chatbridge/bench/internal/served"
)

const (
	// roomClients are those of a room of the scenes with many rooms; each room gets an
	// event a second.
	roomClients = 5
	roomSubs    = 2
)

var roomsScene = scene{
	name: "rooms", title: "Many rooms", clients: 10_000, duration: 10 * time.Second,
	about: func(p plan) string {
		a := manyRooms(p.clients)
		return fmt.Sprintf("%d workspaces of %d clients, each subscribed to %d conversations; %d events a second, spread over all. One core.",
			a.rooms, a.perRoom(), a.subs, a.rooms)
	},
	measure: measureRooms,
	asked: map[string]results.Asked{
		"CPU s per million deliveries": {Most: 0.4, Of: []string{"gorilla"}},
		"p50 ms":                       {Most: 1, Of: []string{"gorilla"}},
		"p99 ms":                       {Most: 0.7, Of: []string{"gorilla"}},
		// The budgets of docs/hot-path/locks.md.
		"Hub's lock: held, % of the time":  {Most: 10},
		"rooms' lock: held, % of the time": {Most: 10},
	},
}

func manyRooms(clients int) *audience {
	rooms := max(1, clients/roomClients)
	return &audience{clients: rooms * roomClients, rooms: rooms, subs: roomSubs}
}

func measureRooms(ctx context.Context, p plan, server peer.Peer, r *recorder) error {
	a := manyRooms(p.clients)
	s, err := open(ctx, server, a, peer.Options{Cores: peer.ServerCore})
	if err != nil {
		return err
	}
	defer s.Close()
	return steady(ctx, p, s, a, server, r, "", float64(a.rooms))
}

// steady measures a rate that the server keeps up with. What is measured is named with
// the suffix.
func steady(ctx context.Context, p plan, s *session, a *audience, server peer.Peer, r *recorder, suffix string, rate float64) error {
	if _, err := s.send(ctx, a, rate, min(p.duration, time.Second), 1); err != nil { // to warm up
		return err
	}
	before, err := s.stats(ctx, server)
	if err != nil {
		return err
	}
	var got served.Sent
	err = s.profiled(ctx, p.duration, p.profileFile(server, "cpu"+suffix+".pprof"), func() (err error) {
		got, err = s.send(ctx, a, rate, p.duration, 1)
		return err
	})
	if err != nil {
		return err
	}
	r.add("CPU s per million deliveries"+suffix, got.CPUPerMillion())
	r.add("p50 ms"+suffix, ms(got.Latency.Quantile(0.5)))
	r.add("p99 ms"+suffix, ms(got.Latency.Quantile(0.99)))
	r.add("generator busy, %"+suffix, 100*got.Busy())
	r.add("disturbed, %"+suffix, 100*got.Disturbed())
	if before != nil {
		after, err := s.stats(ctx, server)
		if err != nil {
			return err
		}
		r.add("Hub's lock: held, % of the time"+suffix, 100*(after.LockHeld-before.LockHeld).Seconds()/got.Took.Seconds())
		r.add("Hub's lock: longest, ms"+suffix, ms(after.LockLongest))
		r.add("rooms' lock: held, % of the time"+suffix, 100*(after.RoomsHeld-before.RoomsHeld).Seconds()/got.Took.Seconds())
		r.add("rooms' lock: longest, ms"+suffix, ms(after.RoomsLongest))
	}
	note("  %.2f CPU s/M, p50 %v, p99 %v, disturbed %.0f %%", got.CPUPerMillion(), got.Latency.Quantile(0.5), got.Latency.Quantile(0.99), 100*got.Disturbed())
	return nil
}
