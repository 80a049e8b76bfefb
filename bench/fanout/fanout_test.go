//go:build linux

package main

import (
	"context"
	"os/exec"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"chatbridge/bench/internal/peer"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// TestMeasures runs the smallest measurement there is, so that the benchmark
// works on the day it is needed. What it says of speed is not checked.
func TestMeasures(t *testing.T) {
	if _, err := exec.LookPath("taskset"); err != nil {
		t.Skip("no taskset: install util-linux")
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	peers, cleanup, err := peer.Build(ctx, peer.Plan{Servers: []string{"ours", "gorilla"}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cleanup)
	p := plan{clients: 20, idle: 20, rounds: 1, servers: []string{"ours", "gorilla"}}
	results := map[string][]figures{}
	for _, server := range peers {
		s, err := p.open(ctx, server, p.clients)
		if err != nil {
			t.Fatal(err)
		}
		// Without a protocol a client counts as joined before the server has it.
		if err := s.warm(ctx); err != nil {
			t.Fatal(err)
		}
		r, err := s.send(ctx, 100, 1000, 1)
		s.Close()
		if err != nil || r.Lost != 0 || r.Disorder != 0 || r.Deliveries != 2000 {
			t.Errorf("%s: %d delivered, %d lost, %d out of order, %v", server.Name, r.Deliveries, r.Lost, r.Disorder, err)
		}
		if n := r.Latency.N(); n != 2000 {
			t.Errorf("%s: latency of %d deliveries, want 2000", server.Name, n)
		}
		var f figures
		if err := p.idleStep(ctx, server, &f); err != nil || f.Connects == 0 {
			t.Errorf("%s: idle: %+v, %v", server.Name, f, err)
		}
		results[server.Name] = []figures{{Peak: 100, PeakCPU: 2}}
	}
	if text := report(p, results); !strings.Contains(text, "ours ÷ gorilla") || strings.Count(text, "| 100 |") != 2 {
		t.Errorf("report:\n%s", text)
	}
}

func TestParseRefusesUnknown(t *testing.T) {
	for _, args := range [][]string{{"-servers", "nginx"}, {"-steps", "fast"}} {
		if _, err := parse(args); err == nil || !strings.Contains(err.Error(), "choose of") {
			t.Errorf("parse %v: %v, want what there is to choose", args, err)
		}
	}
}
