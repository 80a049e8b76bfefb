//go:build linux

package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"chatbridge/bench/internal/command"
	"chatbridge/bench/internal/machine"
	"chatbridge/bench/internal/peer"
	"chatbridge/bench/internal/results"
)

func main() { command.Main("scenes", run) }

func run(ctx context.Context, args []string) error {
	p, err := parse(args)
	if err != nil {
		return err
	}
	if err := peer.PinSelf(peer.GeneratorCore); err != nil {
		return err
	}
	// A goroutine that waits for its connections keeps a processor of Go's for a while,
	// and there are two groups of connections in some scenes.
	runtime.GOMAXPROCS(4)
	peers, cleanup, err := peer.Build(ctx, peer.Plan{Servers: p.servers, Before: p.before, PGO: p.pgo})
	if err != nil {
		return err
	}
	defer cleanup()
	at := machine.Now()
	var text strings.Builder
	for _, s := range p.scenes {
		if err := p.play(ctx, s, peers, &text); err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
	}
	text.WriteString(at.String() + "\n")
	fmt.Print(text.String())
	if p.write == "" {
		return nil
	}
	return os.WriteFile(p.write, []byte(page(text.String())), 0o644)
}

// play measures one scene and appends its table.
func (p plan) play(ctx context.Context, s scene, peers []peer.Peer, text *strings.Builder) error {
	figures := &results.Results{Titles: titles}
	for figure, asked := range s.asked {
		figures.Ask(figure, asked)
	}
	p = p.sized(s)
	var targets []string
	for round := range p.rounds {
		for _, server := range peers {
			if s.without != nil && s.without(server) {
				continue
			}
			note("%s, round %d of %d, %d clients: %s", s.name, round+1, p.rounds, p.clients, server.Name)
			if err := s.measure(ctx, p, server, &recorder{figures, server.Name}); err != nil {
				return fmt.Errorf("%s: %w", server.Name, err)
			}
			if round == 0 {
				targets = append(targets, server.Name)
			}
		}
	}
	fmt.Fprintf(text, "## %s\n\n%s\n\n", s.title, s.about(p))
	figures.Write(text, targets)
	fmt.Fprintf(text, "\n%d clients, medians of %d.%s\n\n", p.clients, p.rounds, p.shortage())
	return nil
}

var titles = map[string]string{
	"bridge": "**bridge**", "ours": "socketio alone", "gorilla": "gorilla loop, no protocol", "node": "Node.js socket.io 4.8",
	"centrifuge": "centrifuge 0.40",
	"before":     "bridge before", "pgo": "bridge, built with a profile",
}

// recorder takes the figures of one server.
type recorder struct {
	figures *results.Results
	target  string
}

func (r *recorder) add(figure string, v float64) { r.figures.Add(r.target, figure, v) }

// plan is what to measure.
type plan struct {
	scenes   []scene
	servers  []string
	rounds   int
	clients  int           // 0: those of the scene
	asked    int           // clients, where the machine does not let there be so many
	duration time.Duration // 0: that of the scene
	profile  string
	before   string
	pgo      string // a profile's file, absolute
	write    string
}

func parse(args []string) (plan, error) {
	var p plan
	var known []string
	for _, s := range scenes {
		known = append(known, s.name)
	}
	f := flag.NewFlagSet("scenes", flag.ContinueOnError)
	chosen := f.String("scene", strings.Join(known, ","), "what to measure")
	servers := f.String("servers", "bridge,gorilla,node", "of whom; ours is the Socket.IO server without the Hub, centrifuge the library of Centrifugo, which is downloaded")
	f.IntVar(&p.rounds, "rounds", 3, "rounds; the tables have their medians")
	f.IntVar(&p.clients, "clients", 0, "clients, instead of those of the scene; rooms and rates go with them")
	f.DurationVar(&p.duration, "duration", 0, "how long events are sent, instead of the scene's")
	f.StringVar(&p.profile, "profile", "", "write profiles of the bridge to files in this folder")
	f.StringVar(&p.before, "before", "", "measure the first of the servers as it was at this revision too, such as HEAD~1")
	pgo := f.String("pgo", "", "measure the first of the servers built with this profile too")
	f.StringVar(&p.write, "write", "", "write the page of results to this file")
	if err := f.Parse(args); err != nil {
		return p, err
	}
	if p.rounds < 1 || p.clients < 0 || p.duration < 0 {
		return p, fmt.Errorf("rounds, clients and duration: give 1 or more")
	}
	p.servers = strings.Split(*servers, ",")
	for _, s := range p.servers {
		if all := []string{"bridge", "ours", "gorilla", "node", "centrifuge"}; !slices.Contains(all, s) {
			return p, fmt.Errorf("unknown server %q: choose of %s", s, strings.Join(all, ", "))
		}
	}
	if p.before != "" {
		p.servers = append(p.servers, "before")
	}
	if *pgo != "" {
		var err error
		if p.pgo, err = filepath.Abs(*pgo); err != nil {
			return p, err
		}
		p.servers = append(p.servers, "pgo")
	}
	for _, name := range strings.Split(*chosen, ",") {
		i := slices.Index(known, name)
		if i < 0 {
			return p, fmt.Errorf("unknown scene %q: choose of %s", name, strings.Join(known, ", "))
		}
		p.scenes = append(p.scenes, scenes[i])
	}
	if p.profile != "" {
		if err := os.MkdirAll(p.profile, 0o755); err != nil {
			return p, err
		}
	}
	return p, nil
}

func note(format string, args ...any) { fmt.Fprintf(os.Stderr, format+"\n", args...) }
