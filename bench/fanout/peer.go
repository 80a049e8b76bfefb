//go:build linux

package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"

	"chatbridge/bench/internal/event"
	"chatbridge/bench/internal/revision"
	"chatbridge/internal/npm"
)

// peer is a server to measure.
type peer struct {
	name  string
	label string
	argv  []string
	bare  bool    // WebSocket alone, no Socket.IO
	guess float64 // thousands of deliveries a second, where the search begins
}

// path is what clients of the peer request.
func (peer) path() string { return "/api/ws/?EIO=4&transport=websocket" }

const nodeDir = "bench/server/node/testdata/npm"

// build makes the servers ready to run. It needs the module's root, wherever
// in it the command was started.
func build(ctx context.Context, plan plan) (peers []peer, cleanup func(), err error) {
	root, err := moduleRoot(ctx)
	if err != nil {
		return nil, nil, err
	}
	dir, err := os.MkdirTemp("", "fanout")
	if err != nil {
		return nil, nil, fmt.Errorf("make folder: %w", err)
	}
	cleanup = func() { _ = os.RemoveAll(dir) }
	for _, name := range plan.servers {
		var p peer
		switch name {
		case "node":
			p, err = nodePeer(ctx, filepath.Join(root, nodeDir))
		case "before":
			p = peer{name: name, label: "chatbridge/socketio at " + plan.before, argv: []string{filepath.Join(dir, name)}, guess: 600}
			err = revision.Build(ctx, root, plan.before, "./bench/server/ours", p.argv[0])
		default:
			p, err = goPeer(ctx, root, dir, name, plan.plain)
		}
		if err != nil {
			cleanup()
			return nil, nil, err
		}
		peers = append(peers, p)
	}
	return peers, cleanup, nil
}

func goPeer(ctx context.Context, root, dir, name string, plain []string) (peer, error) {
	source, tag := name, ""
	if slices.Contains(plain, name) {
		source, tag = "ours", name
	}
	bin := filepath.Join(dir, name)
	cmd := exec.CommandContext(ctx, "go", "build", "-tags", tag, "-o", bin, "./bench/server/"+source)
	cmd.Dir = root
	if out, err := cmd.CombinedOutput(); err != nil {
		return peer{}, fmt.Errorf("build %s: %w\n%s", name, err, out)
	}
	p := peer{name: name, label: "chatbridge/socketio", argv: []string{bin}, guess: 600}
	if name == "gorilla" {
		p.label, p.bare, p.guess = "gorilla/websocket, prepared frame, no protocol", true, 80
	}
	return p, nil
}

func nodePeer(ctx context.Context, dir string) (peer, error) {
	if err := npm.CI(ctx, dir, os.Stderr); err != nil {
		return peer{}, err
	}
	argv := []string{"node", "--expose-gc", filepath.Join(dir, "server.mjs"), event.Fill()}
	return peer{name: "node", label: "Node.js, socket.io 4.8", argv: argv, guess: 50}, nil
}

func moduleRoot(ctx context.Context) (string, error) {
	out, err := exec.CommandContext(ctx, "go", "list", "-m", "-f", "{{.Dir}}").Output()
	if err != nil {
		return "", fmt.Errorf("find the module: %w (run fanout inside the repository)", err)
	}
	return filepath.Clean(string(out[:len(out)-1])), nil
}

// onCore is argv run on one core.
func onCore(core int, argv []string) []string {
	return append([]string{"taskset", "-c", strconv.Itoa(core)}, argv...)
}
