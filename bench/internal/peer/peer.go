//go:build linux

package peer

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"

	"chatbridge/bench/internal/event"
	"chatbridge/bench/internal/revision"
	"chatbridge/internal/npm"
)

// Peer is a server to measure.
type Peer struct {
	Name string
	Argv []string
	Bare bool // no Socket.IO: WebSocket alone, or what Hello begins
	// Hello is what a client of it sends first, "" for nothing. It is answered.
	Hello string
}

// Path is what clients of a peer request.
const Path = "/api/ws/?EIO=4&transport=websocket"

const (
	nodeDir = "bench/server/node/testdata/npm"
	// centrifugeDir is a module of its own.
	centrifugeDir = "bench/server/centrifuge/testdata/go"
)

// Plan says what to build.
type Plan struct {
	// Servers are names: ours (the Socket.IO server alone), bridge (with the Hub,
	// its log, tokens and workspaces), gorilla, node, centrifuge, before, pgo, and
	// those of Plain.
	Servers []string
	// Before is the revision of which "before" is built; it is the first of Servers,
	// as that was.
	Before string
	// PGO is a profile of which "pgo" is built: the first of Servers, which itself is
	// built without one.
	PGO string
	// Plain are build tags, each of which is a server too: ours, built with it.
	Plain []string
}

// Build makes the servers ready to run. It needs a folder of the module, in which
// the command was started.
func Build(ctx context.Context, plan Plan) (peers []Peer, cleanup func(), err error) {
	root, err := ModuleRoot(ctx)
	if err != nil {
		return nil, nil, err
	}
	dir, err := os.MkdirTemp("", "bench-peers")
	if err != nil {
		return nil, nil, fmt.Errorf("make folder: %w", err)
	}
	cleanup = func() { _ = os.RemoveAll(dir) }
	for _, name := range plan.Servers {
		var p Peer
		switch name {
		case "node":
			p, err = nodePeer(ctx, filepath.Join(root, nodeDir))
		case "centrifuge":
			p, err = centrifugePeer(ctx, filepath.Join(root, centrifugeDir), dir)
		case "before":
			p = Peer{Name: name, Argv: []string{filepath.Join(dir, name)}}
			err = revision.Build(ctx, root, plan.Before, "./bench/server/"+plan.Servers[0], p.Argv[0])
		default:
			p, err = plan.goPeer(ctx, root, dir, name)
		}
		if err != nil {
			cleanup()
			return nil, nil, err
		}
		peers = append(peers, p)
	}
	return peers, cleanup, nil
}

func (plan Plan) goPeer(ctx context.Context, root, dir, name string) (Peer, error) {
	source, tag, pgo := name, "", "off"
	if slices.Contains(plan.Plain, name) {
		source, tag = "ours", name
	}
	if name == "pgo" {
		source, pgo = plan.Servers[0], plan.PGO
	}
	bin := filepath.Join(dir, name)
	cmd := exec.CommandContext(ctx, "go", "build", "-tags", tag, "-pgo", pgo, "-o", bin, "./bench/server/"+source)
	cmd.Dir = root
	if out, err := cmd.CombinedOutput(); err != nil {
		return Peer{}, fmt.Errorf("build %s: %w\n%s", name, err, out)
	}
	return Peer{Name: name, Argv: []string{bin}, Bare: name == "gorilla"}, nil
}

// centrifugePeer builds it with copies of its go.mod and go.sum: they lag behind where the
// bridge's own dependencies were raised, and building then brings them up to date.
func centrifugePeer(ctx context.Context, source, dir string) (Peer, error) {
	for _, name := range []string{"go.mod", "go.sum"} {
		content, err := os.ReadFile(filepath.Join(source, name))
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, name), content, 0o600)
		}
		if err != nil {
			return Peer{}, err
		}
	}
	bin := filepath.Join(dir, "centrifuge")
	cmd := exec.CommandContext(ctx, "go", "build", "-mod=mod", "-modfile", filepath.Join(dir, "go.mod"), "-o", bin, ".")
	cmd.Dir = source
	if out, err := cmd.CombinedOutput(); err != nil {
		return Peer{}, fmt.Errorf("build centrifuge, which has to be downloaded: %w\n%s", err, out)
	}
	return Peer{Name: "centrifuge", Argv: []string{bin}, Bare: true, Hello: `{"id":1,"connect":{}}`}, nil
}

func nodePeer(ctx context.Context, dir string) (Peer, error) {
	if err := npm.CI(ctx, dir, os.Stderr); err != nil {
		return Peer{}, err
	}
	return Peer{Name: "node", Argv: []string{"node", "--expose-gc", filepath.Join(dir, "server.mjs"), event.Fill()}}, nil
}

// ModuleRoot is the folder of the module in which the command was started.
func ModuleRoot(ctx context.Context) (string, error) {
	out, err := exec.CommandContext(ctx, "go", "list", "-m", "-f", "{{.Dir}}").Output()
	if err != nil {
		return "", fmt.Errorf("find the module: %w (start the benchmark inside the repository)", err)
	}
	return filepath.Clean(string(out[:len(out)-1])), nil
}
