//go:build linux

package main

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"chatbridge/bench/internal/load"
	"chatbridge/bench/internal/peer"
	"chatbridge/bench/internal/results"
)

// scene is something to measure of each server.
type scene struct {
	name, title string
	// clients and duration are those of the plan unless that says others.
	clients  int
	duration time.Duration
	about    func(plan) string
	measure  func(context.Context, plan, peer.Peer, *recorder) error
	// asked is what figures are to be, by their names.
	asked map[string]results.Asked
	// without, if not nil, tells which servers it has nothing to say of.
	without func(peer.Peer) bool
}

// better are the peers to the better of which a figure is compared.
var better = []string{"gorilla", "node"}

var scenes = []scene{
	roomsScene,
	stormScene,
	tlsScene,
	coresScene,
	idleScene,
	slowScene,
	tailScene,
}

// sized is the plan with what it leaves to the scene, and as many clients as the
// machine lets there be.
func (p plan) sized(s scene) plan {
	if p.clients == 0 {
		p.clients = s.clients
	}
	if p.duration == 0 {
		p.duration = s.duration
	}
	if most := load.MaxClients(); p.clients > most {
		p.asked, p.clients = p.clients, most
	}
	return p
}

// shortage says where there are fewer clients than asked for.
func (p plan) shortage() string {
	if p.asked == 0 {
		return ""
	}
	return fmt.Sprintf(" Asked for were %d: the limit of open files (`ulimit -n`) is too low for them, server and generator each need %d.",
		p.asked, p.asked+p.asked/10)
}

// profileFile is the file of a profile, "" where none is asked for or the server is
// another one.
func (p plan) profileFile(server peer.Peer, name string) string {
	if p.profile == "" || server.Name != "bridge" {
		return ""
	}
	return filepath.Join(p.profile, strings.NewReplacer(", ", "-", " ", "-").Replace(name))
}
