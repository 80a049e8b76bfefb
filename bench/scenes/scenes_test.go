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

// TestScenes plays each scene at its smallest, so that it works on the day it is
// needed. What it says of speed is not checked.
func TestScenes(t *testing.T) {
	if _, err := exec.LookPath("taskset"); err != nil {
		t.Skip("no taskset: install util-linux")
	}
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	t.Cleanup(cancel)
	peers, cleanup, err := peer.Build(ctx, peer.Plan{Servers: []string{"bridge", "gorilla"}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cleanup)
	for _, s := range scenes {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel() // they wait, for the most part
			var text strings.Builder
			if err := (plan{clients: 20, rounds: 1, duration: 300 * time.Millisecond}).play(ctx, s, peers, &text); err != nil {
				t.Fatal(err)
			}
			got := text.String()
			if !strings.Contains(got, "## "+s.title) || !strings.Contains(got, "20 clients, medians of 1") || strings.Count(got, "\n| ") < 3 {
				t.Errorf("table:\n%s", got)
			}
			for figure := range s.asked {
				if !strings.Contains(got, "\n| "+figure+" |") && figure != "kB in all for a client" { // for which one has to be root
					t.Errorf("no figure %q, of which something is asked:\n%s", figure, got)
				}
			}
		})
	}
}

func TestParseRefuses(t *testing.T) {
	for _, args := range [][]string{{"-servers", "nginx"}, {"-scene", "fast"}, {"-rounds", "0"}} {
		if _, err := parse(args); err == nil {
			t.Errorf("parse %v: want an error", args)
		}
	}
}
