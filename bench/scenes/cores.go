//go:build linux

package main

import (
	"context"
	"fmt"
	"time"

	"chatbridge/bench/internal/control"
	"chatbridge/bench/internal/peer"
	"chatbridge/bench/internal/results"
)

const (
	// coresAhead is how many packets may wait for each client.
	coresAhead = 64
	// coresMost is how long the clients, which answer no heartbeat, may be there.
	coresMost = 20 * time.Second
)

var coresScene = scene{
	name: "cores", title: "From one core to two", clients: 5000, duration: 5 * time.Second,
	about: func(p plan) string {
		one, many := oneRoom(p.clients/5), manyRooms(p.clients)
		return fmt.Sprintf("As many events as the server can write, with %d packets at most waiting for each client: one room of %d clients, and %d rooms of %d. "+
			"Server and receivers share one core, or two; receiving costs as little as it can (MSG_TRUNC).",
			coresAhead, one.clients, many.rooms, many.perRoom())
	},
	measure: measureCores,
	asked: map[string]results.Asked{
		"two ÷ one, one room":   {Least: 1.5},
		"two ÷ one, many rooms": {Least: 1.7},
	},
	without: func(p peer.Peer) bool { return p.Name == "node" || p.Bare || p.Name == "ours" },
}

func measureCores(ctx context.Context, p plan, server peer.Peer, r *recorder) error {
	for _, of := range []struct {
		suffix string
		a      *audience
	}{{", one room", oneRoom(p.clients / 5)}, {", many rooms", manyRooms(p.clients)}} {
		var rates [2]float64
		for i, cores := range []string{"0", "0,1"} {
			var err error
			if rates[i], err = throughput(ctx, p, server, of.a, cores, ""); err != nil {
				return err
			}
			r.add(fmt.Sprintf("k deliveries/s with %d of the cores%s", i+1, of.suffix), rates[i]/1000)
		}
		r.add("two ÷ one"+of.suffix, rates[1]/rates[0])
		note("  %.0f k/s, %.0f k/s: %.2f%s", rates[0]/1000, rates[1]/1000, rates[1]/rates[0], of.suffix)
		if file := p.profileFile(server, "locks"+of.suffix); file != "" {
			if _, err := throughput(ctx, p, server, of.a, "0,1", file); err != nil {
				return err
			}
		}
	}
	return nil
}

// throughput is the deliveries a second that the server writes on the cores, where the
// receivers are too. With a file it profiles its locks, which costs some of them.
func throughput(ctx context.Context, p plan, server peer.Peer, a *audience, cores, file string) (rate float64, err error) {
	back, err := peer.Move(cores)
	if err != nil {
		return 0, err
	}
	defer back()
	o := peer.Options{Cores: cores}
	if file != "" {
		o.Env = []string{control.Locks + "=1"}
	}
	s, err := open(ctx, server, a, o)
	if err != nil {
		return 0, err
	}
	defer s.Close()
	done, ended := make(chan struct{}), make(chan error, 1)
	go func() { ended <- s.Clients.Discard(ctx, done) }()
	rate, err = s.publishAll(ctx, a, min(p.duration, coresMost))
	close(done)
	if e := <-ended; err == nil {
		err = e
	}
	for _, of := range []string{"mutex", "block"} {
		if file != "" && err == nil {
			err = s.Save(ctx, "/debug/pprof/"+of, file+"-"+of+".pprof")
		}
	}
	return rate, err
}

// publishAll publishes for a time, as fast as it is written, in chunks of some tenths of
// a second of which the first ones do not count.
func (s *session) publishAll(ctx context.Context, a *audience, d time.Duration) (rate float64, err error) {
	chunk := peer.Publication{
		Count: a.rooms * a.subs, Rate: 1e9, Rooms: a.rooms, Subs: a.subs, Ahead: coresAhead * a.clients,
		Check: max(1, coresAhead*a.rooms/4),
	}
	events, began := 0, time.Now()
	for time.Since(began) < d || events == 0 {
		at := time.Now()
		if _, err := s.Publish(ctx, chunk); err != nil {
			return 0, err
		}
		if took := time.Since(at); took < 300*time.Millisecond {
			chunk.Count *= 2
			events, began = 0, time.Now()
			continue
		}
		events += chunk.Count
	}
	return float64(events*a.perRoom()) / time.Since(began).Seconds(), nil
}
