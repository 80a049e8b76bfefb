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
	"chatbridge/bench/internal/machine"
	"chatbridge/bench/internal/results"
	"chatbridge/internal/throwaway"
)

func main() { command.Main("source", run) }

func run(ctx context.Context, args []string) error {
	f := flag.NewFlagSet("source", flag.ContinueOnError)
	chosen := f.String("scene", "one,ten,wide", "what to measure")
	rows := f.Int("rows", 500_000, "rows of each scene; a fifth as many wide ones")
	rounds := f.Int("rounds", 3, "rounds; the table has their medians")
	write := f.String("write", "", "write the page of results to this file")
	read := f.String("read", "", "be one of the readers: source, loop (for the command itself)")
	slot := f.String("slot", "", "the slot that it reads")
	if err := f.Parse(args); err != nil {
		return err
	}
	if *read != "" {
		return readers[*read](ctx, os.Getenv(urlVariable), *slot, *rows)
	}
	cluster, err := throwaway.Start(ctx, throwaway.Options{TCP: true, Settings: map[string]string{
		"shared_buffers": "256MB", "max_wal_size": "8GB", "logical_decoding_work_mem": "64MB",
	}})
	if err != nil {
		return err
	}
	defer func() {
		ending, cancel := context.WithTimeout(context.WithoutCancel(ctx), 20*time.Second)
		defer cancel()
		_ = cluster.Stop(ending)
	}()
	at := machine.Now()
	figures := &results.Results{Titles: map[string]string{"source": "**source/postgres**", "recvlogical": "pg_recvlogical", "loop": "Go loop, nothing decoded"}}
	for _, name := range strings.Split(*chosen, ",") {
		s, ok := scenes[name]
		if !ok {
			return fmt.Errorf("unknown scene %q: choose of one, ten, wide", name)
		}
		n := max(10, *rows/s.fraction)
		if err := s.play(ctx, cluster, n, *rounds, figures); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	compareMemory(figures, max(10, *rows))
	var text strings.Builder
	figures.Write(&text, targets)
	fmt.Fprintf(&text, "\nMedians of %d. %s\n", *rounds, at)
	fmt.Print(text.String())
	if *write == "" {
		return nil
	}
	return os.WriteFile(*write, []byte(pageHead+text.String()+pageTail), 0o644)
}

const pageHead = `# Reading from Postgres, beside its own reader

How fast a backlog is read from a replication slot: by the bridge's source, by
pg_recvlogical, which writes what it receives to /dev/null, and by a loop in Go that
receives the messages and looks at none. Measured and written by

    go run ./bench/source -write docs/source-speed.md

`

const pageTail = `
How to read it:

- Each reader is a process of its own, and reads its own copy of one slot, so all read
  the same. Rows a second are from the process's start to its end.
- CPU is that of the reader, not the walsender's; peak memory likewise. It is flat where
  it is the same for one transaction of all rows as for transactions of ten.
- The source gathers what arrives before it reads: one that is woken by each row is bound by system
  calls, and so is the walsender ([read-pacing.md](hot-path/read-pacing.md)).
- Ratios are those of the source to the other: rows a second above 1 are faster.
`
