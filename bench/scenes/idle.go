//go:build linux

package main

import (
	"context"
	"fmt"
	"time"

	"chatbridge/bench/internal/peer"
	"chatbridge/bench/internal/proc"
	"chatbridge/bench/internal/results"
)

var idleScene = scene{
	name: "idle", title: "Nothing happens", clients: 20_000, duration: 60 * time.Second,
	about: func(p plan) string {
		return fmt.Sprintf("%d connections in workspaces of %d, each with %d subscriptions, and nothing for %v but a heartbeat every 25 s (the gorilla loop has none). "+
			"The kernel's memory is that of its caches for sockets and files and of TCP's buffers, half of what both ends take.",
			p.clients, roomClients, roomSubs, p.duration)
	},
	measure: measureIdle,
	asked: map[string]results.Asked{
		"kB in all for a client": {Most: 0.3, Of: better},
		"CPU, % of a core":       {Most: 0.5, Of: []string{"node"}}, // the other one has no heartbeat
	},
}

func measureIdle(ctx context.Context, p plan, server peer.Peer, r *recorder) error {
	a := manyRooms(p.clients)
	one := &audience{clients: 1, rooms: 1, subs: 1}
	few, err := open(ctx, server, one, peer.Options{Cores: peer.ServerCore})
	if err != nil {
		return err
	}
	empty, err := few.SettledRSS(ctx, settle)
	few.Close()
	if err != nil {
		return err
	}
	kernelBefore, kernelErr := proc.Kernel()
	if kernelErr != nil {
		note("  without the kernel's memory: %v", kernelErr)
	}
	s, err := open(ctx, server, a, peer.Options{Cores: peer.ServerCore})
	if err != nil {
		return err
	}
	defer s.Close()
	before, err := s.Usage()
	if err != nil {
		return err
	}
	began := time.Now()
	if err := s.Clients.Idle(ctx, p.duration); err != nil {
		return err
	}
	after, err := s.Usage()
	if err != nil {
		return err
	}
	used, took := after.Since(before), time.Since(began)
	full, err := s.SettledRSS(ctx, settle)
	if err != nil {
		return err
	}
	kernel, err := proc.Kernel()
	if err != nil && kernelErr == nil {
		return err
	}
	if file := p.profileFile(server, "heap-idle.pprof"); file != "" {
		if err := s.Save(ctx, "/debug/pprof/heap", file); err != nil {
			return err
		}
	}
	perClient := func(kb int) float64 { return float64(kb) / float64(a.clients) }
	user, system := perClient(full-empty), perClient(kernel-kernelBefore)/2
	r.add("connects/s", float64(a.clients)/s.Took.Seconds())
	r.add("kB of the process for a client", user)
	if kernelErr == nil {
		r.add("kB of the kernel for a client", system)
		r.add("kB in all for a client", user+system)
	}
	r.add("CPU, % of a core", 100*used.CPU.Seconds()/took.Seconds())
	r.add("disturbed, %", 100*used.Waited.Seconds()/took.Seconds())
	note("  %.1f kB and %.1f kB of the kernel for a client, %.2f %% of a core", user, system, 100*used.CPU.Seconds()/took.Seconds())
	return nil
}
