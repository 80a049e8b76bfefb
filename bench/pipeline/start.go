//go:build linux

package main

import (
	"context"
	"fmt"
	"time"

	"chatbridge/bench/internal/event"
	"chatbridge/bench/internal/load"
	"chatbridge/bench/internal/proc"
	"chatbridge/bench/internal/results"
)

// dialAgain is how soon the client of the start tries again.
const dialAgain = 5 * time.Millisecond

// start: how long after the start of the process a client has its first event, where
// rows of the window have to be read again. The client tries to connect from the start
// on.
func (st *stage) start(ctx context.Context, name string, rows int, again func(addr string) (*server, error), r *results.Results) error {
	if err := st.fillWindow(ctx, rows); err != nil {
		return err
	}
	if err := st.server.end(); err != nil {
		return fmt.Errorf("end the first process: %w", err)
	}
	began := time.Now()
	s, err := again(st.server.addr)
	if err != nil {
		return err
	}
	defer s.stop()
	o, err := st.options(1)
	if err != nil {
		return err
	}
	o.Retry = dialAgain
	o.Client = func(int) load.Client { return load.Client{Subscribe: []string{conversationID(0)}} }
	c, served, err := firstEvent(ctx, o)
	if err != nil {
		return fmt.Errorf("%w: %s", err, s.err.String())
	}
	defer c.Close()
	first := served.Sub(began)
	if err := s.await(ctx); err != nil {
		return err
	}
	cpu, err := proc.CPU(s.cmd.Process.Pid)
	if err != nil {
		return err
	}
	peak, err := s.peak()
	if err != nil {
		return err
	}
	title := startTitle(rows)
	r.Add(name, title+"first event after, s", first.Seconds())
	r.Add(name, title+"CPU, s", cpu.Seconds())
	r.Add(name, title+"peak memory, MB", peak)
	return nil
}

func startTitle(rows int) string { return fmt.Sprintf("start, with a window of %d rows: ", rows) }

// fillWindow has the server publish rows, which are then in its window.
func (st *stage) fillWindow(ctx context.Context, rows int) error {
	c, err := st.connectLive(ctx, 1)
	if err != nil {
		return err
	}
	defer c.Close()
	_, err = receive(ctx, c, rows, 1000, func() error {
		for done, i := 0, 0; done < rows; i++ {
			n := min(10, rows-done)
			if err := st.copyRows(ctx, i, n, event.Now()); err != nil {
				return err
			}
			done += n
		}
		return nil
	})
	return err
}
