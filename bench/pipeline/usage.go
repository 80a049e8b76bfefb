//go:build linux

package main

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/jackc/pgx/v5"

	"chatbridge/bench/internal/proc"
)

// usage is the CPU time that everybody who takes part has used.
type usage struct {
	at                                time.Time
	server, walsender, inserts, bench time.Duration
}

func (st *stage) usage(ctx context.Context) (u usage, err error) {
	rows, err := st.pool.Query(ctx, "select pid, backend_type = 'walsender' from pg_stat_activity where datname = current_database()")
	if err != nil {
		return u, err
	}
	var pid int
	var walsender bool
	if _, err = pgx.ForEachRow(rows, []any{&pid, &walsender}, func() error {
		used, err := proc.CPU(pid)
		if walsender {
			u.walsender += used
		} else {
			u.inserts += used
		}
		return err
	}); err != nil {
		return u, err
	}
	if u.server, err = proc.CPU(st.server.cmd.Process.Pid); err != nil {
		return u, err
	}
	u.bench, err = proc.CPU(os.Getpid())
	u.at = time.Now()
	return u, err
}

// since says how many cores each has used on average since before.
func (u usage) since(before usage) string {
	cores := func(now, before time.Duration) float64 { return (now - before).Seconds() }
	wall := u.at.Sub(before.at).Seconds()
	return fmt.Sprintf("server %.2f, walsender %.2f, inserts %.2f, clients %.2f",
		cores(u.server, before.server)/wall, cores(u.walsender, before.walsender)/wall,
		cores(u.inserts, before.inserts)/wall, cores(u.bench, before.bench)/wall)
}
