//go:build linux

package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"strings"
	"time"

	"chatbridge/bench/internal/command"
	"chatbridge/bench/internal/results"
	"chatbridge/internal/throwaway"
)

func main() { command.Main("pipeline", run) }

// asked is what figures are to be.
func asked(rows int) map[string]results.Asked {
	node := []string{"node"}
	asked := map[string]results.Asked{
		// A few more than one for each batch: the first one learns the columns.
		"round trips of look-ups for an insert, cold": {Most: 1.01},
		startTitle(rows) + "first event after, s":     {Most: 1},
	}
	for _, pass := range []string{", cold", ", warm"} {
		asked["INSERT to socket with 100 workspaces, p50 ms"+pass] = results.Asked{Most: 0.7, Of: node}
		asked["INSERT to socket with 100 workspaces, p99 ms"+pass] = results.Asked{Most: 0.5, Of: node}
	}
	return asked
}

func run(ctx context.Context, args []string) error {
	f := flag.NewFlagSet("pipeline", flag.ContinueOnError)
	targets := f.String("targets", "bridge,node", "what to measure")
	scenes := f.String("scene", "latency,lookups,rate,burst,stuck,start", "what to measure of it")
	rounds := f.Int("rounds", 3, "how often; medians are shown")
	before := f.String("before", "", "measure the bridge as it was at this revision too, such as HEAD~1")
	rows := f.Int("rows", 100_000, "rows of the burst, and of the window that a start fills its log with; of the look-ups, 5,000 at most")
	if err := f.Parse(args); err != nil {
		return err
	}

	names := strings.Split(*targets, ",")
	if *before != "" {
		names = append(names, "before")
	}
	cluster, err := throwaway.Start(ctx, throwaway.Options{TCP: true, Settings: map[string]string{
		"shared_buffers": "256MB", "max_wal_size": "4GB", "synchronous_commit": "on",
		"shared_preload_libraries": "pg_stat_statements",
	}})
	if err != nil {
		return err
	}
	defer func() {
		ending, cancel := context.WithTimeout(context.WithoutCancel(ctx), 20*time.Second)
		defer cancel()
		_ = cluster.Stop(ending)
	}()
	b, err := newBench(ctx, cluster, *before)
	if err != nil {
		return err
	}
	defer b.close()
	figures := &results.Results{Titles: map[string]string{"node": "Node, ~60 lines", "before": "bridge before"}}
	for figure, a := range asked(*rows) {
		figures.Ask(figure, a)
	}
	for round := range *rounds {
		for _, scene := range strings.Split(*scenes, ",") {
			for _, name := range names {
				if scene == "start" && name == "node" {
					continue // it has nothing to fill
				}
				fmt.Fprintf(os.Stderr, "round %d of %d: %s, %s\n", round+1, *rounds, scene, name)
				if err := b.play(ctx, scene, name, *rows, figures); err != nil {
					return fmt.Errorf("%s of %s: %w", scene, name, err)
				}
			}
		}
	}
	figures.Write(os.Stdout, names)
	return nil
}
