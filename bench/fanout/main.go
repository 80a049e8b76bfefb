//go:build linux

package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"chatbridge/bench/internal/command"
	"chatbridge/bench/internal/machine"
	"chatbridge/bench/internal/peer"
)

func main() { command.Main("fanout", run) }

func run(ctx context.Context, args []string) error {
	p, err := parse(args)
	if err != nil {
		return err
	}
	if err := peer.PinSelf(peer.GeneratorCore); err != nil {
		return err
	}
	peers, cleanup, err := peer.Build(ctx, peer.Plan{Servers: p.servers, Before: p.before, Plain: p.plain})
	if err != nil {
		return err
	}
	defer cleanup()
	at := machine.Now()
	text, err := p.table(ctx, peers)
	if err != nil {
		return err
	}
	if p.many > 0 {
		many := p
		many.clients, many.rounds, many.steps = p.many, 1, []string{"steady", "peak"}
		second, err := many.table(ctx, peers)
		if err != nil {
			return err
		}
		text += "\n" + second
	}
	text += "\n" + at.String() + "\n"
	fmt.Print(text)
	if p.write == "" {
		return nil
	}
	return os.WriteFile(p.write, []byte(page(text)), 0o644)
}

// table measures the servers in turn, round after round.
func (p plan) table(ctx context.Context, peers []peer.Peer) (string, error) {
	results := map[string][]figures{}
	for round := range p.rounds {
		for _, s := range peers {
			note("round %d of %d, %d clients: %s", round+1, p.rounds, p.clients, s.Name)
			f, err := p.measure(ctx, s, last(results[s.Name]))
			if err != nil {
				return "", fmt.Errorf("%s: %w", s.Name, err)
			}
			results[s.Name] = append(results[s.Name], f)
		}
	}
	return report(p, results), nil
}

// plan is what to measure.
type plan struct {
	servers []string
	steps   []string
	rounds  int
	clients int // of the steady and peak steps
	idle    int // of the idle step
	many    int // of a second table with the steady and peak steps; 0 is none
	probe   time.Duration
	before  string   // a revision whose server is measured too, "" for none
	plain   []string // build tags of which each gives one more server of ours
	profile string
	write   string
}

var (
	allServers = []string{"ours", "gorilla", "node"} // and "before", see -before
	allSteps   = []string{"steady", "peak", "idle"}
)

func parse(args []string) (plan, error) {
	var p plan
	f := flag.NewFlagSet("fanout", flag.ContinueOnError)
	servers := f.String("servers", strings.Join(allServers, ","), "what to measure")
	steps := f.String("steps", strings.Join(allSteps, ","), "what to measure of each: steady (20 events a second), peak (the highest rate), idle (memory and connects)")
	f.IntVar(&p.rounds, "rounds", 3, "rounds; the table has their medians")
	f.IntVar(&p.clients, "clients", 1000, "clients of steady and peak, all in one room")
	f.IntVar(&p.idle, "idle", 5000, "clients of idle")
	f.IntVar(&p.many, "many", 0, "steady and peak once more with so many clients, such as 5000")
	f.DurationVar(&p.probe, "probe", 2500*time.Millisecond, "how long each rate is tried")
	f.StringVar(&p.before, "before", "", "measure our server as it was at this revision too, such as HEAD~1")
	plain := f.String("plain", "", "measure our server with these build tags, one each, too: plainsend, plainread (see docs/hot-path/socketio.md)")
	f.StringVar(&p.profile, "profile", "", "write a CPU profile of our server at its highest rate to this file")
	f.StringVar(&p.write, "write", "", "write the page of results to this file")
	if err := f.Parse(args); err != nil {
		return p, err
	}
	p.servers, p.steps = strings.Split(*servers, ","), strings.Split(*steps, ",")
	for _, s := range p.servers {
		if !slices.Contains(allServers, s) {
			return p, fmt.Errorf("unknown server %q: choose of %s", s, strings.Join(allServers, ", "))
		}
	}
	if *plain != "" {
		p.plain = strings.Split(*plain, ",")
		p.servers = append(p.servers, p.plain...)
	}
	if p.before != "" {
		p.servers = append(p.servers, "before")
	}
	for _, s := range p.steps {
		if !slices.Contains(allSteps, s) {
			return p, fmt.Errorf("unknown step %q: choose of %s", s, strings.Join(allSteps, ", "))
		}
	}
	return p, nil
}

func (p plan) has(step string) bool { return slices.Contains(p.steps, step) }

func last(f []figures) figures {
	if len(f) == 0 {
		return figures{}
	}
	return f[len(f)-1]
}
