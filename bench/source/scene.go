//go:build linux

package main

import (
	"context"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"chatbridge/bench/internal/results"
	"chatbridge/internal/schemas"
	"chatbridge/internal/throwaway"
)

// targets are the readers.
var targets = []string{"source", "recvlogical", "loop"}

// scene is a backlog to read.
type scene struct {
	title    string
	fraction int    // of the rows asked for
	table    string // what is filled
	each     int    // rows of a transaction; 0 is all
}

var scenes = map[string]scene{
	"one":  {title: "all rows in one transaction", fraction: 1, table: "messages"},
	"ten":  {title: "ten rows a transaction", fraction: 1, table: "messages", each: 10},
	"wide": {title: "rows of 50 columns and 4 kB", fraction: 5, table: "wide", each: 10},
}

const (
	baseSlot = "backlog"
	columns  = 50
)

// play makes the backlog once, and has each reader read a copy of its slot in each
// round.
func (s scene) play(ctx context.Context, cluster *throwaway.Cluster, rows, rounds int, figures *results.Results) error {
	const database = "bench"
	admin, err := pgx.Connect(ctx, cluster.URL("postgres"))
	if err != nil {
		return err
	}
	defer admin.Close(context.WithoutCancel(ctx))
	if _, err := admin.Exec(ctx, "create database "+database); err != nil {
		return err
	}
	defer dropDatabase(context.WithoutCancel(ctx), admin, database)
	db, err := pgx.Connect(ctx, cluster.URL(database))
	if err != nil {
		return err
	}
	defer db.Close(context.WithoutCancel(ctx))
	if err := s.fill(ctx, db, rows); err != nil {
		return err
	}
	for round := range rounds {
		for _, target := range targets {
			fmt.Fprintf(os.Stderr, "%s, round %d of %d: %s\n", s.title, round+1, rounds, target)
			slot := fmt.Sprintf("%s_%d", target, round)
			if _, err := db.Exec(ctx, "select pg_copy_logical_replication_slot($1, $2)", baseSlot, slot); err != nil {
				return err
			}
			r, err := read(ctx, cluster, db, target, database, slot, rows)
			if err != nil {
				return fmt.Errorf("%s: %w", target, err)
			}
			if err := dropSlot(ctx, db, slot); err != nil {
				return err
			}
			prefix := s.prefix(rows)
			figures.Ask(prefix+"rows/s", results.Asked{Least: 0.6, Of: targets[1:]})
			figures.Add(target, prefix+"rows/s", float64(rows)/r.took.Seconds())
			figures.Add(target, prefix+"CPU of the reader, µs a row", float64(r.cpu.Microseconds())/float64(rows))
			figures.Add(target, prefix+peakMemory, r.peak)
			fmt.Fprintf(os.Stderr, "  %.0f rows/s, %.2f CPU s, %.0f MB\n", float64(rows)/r.took.Seconds(), r.cpu.Seconds(), r.peak)
		}
	}
	return nil
}

const peakMemory = "peak memory, MB"

func (s scene) prefix(rows int) string { return fmt.Sprintf("%s (%d): ", s.title, rows) }

// compareMemory compares what one transaction of all rows takes with what transactions of
// ten do, where both were measured.
func compareMemory(figures *results.Results, rows int) {
	const figure = "peak memory, one transaction ÷ ten rows a transaction"
	for _, target := range targets {
		one, ok := figures.Of(target, scenes["one"].prefix(rows)+peakMemory)
		ten, ok2 := figures.Of(target, scenes["ten"].prefix(rows)+peakMemory)
		if ok && ok2 {
			figures.Add(target, figure, one/ten)
			figures.Ask(figure, results.Asked{Most: 1.2})
		}
	}
}

// fill makes the tables, the slot and the rows.
func (s scene) fill(ctx context.Context, db *pgx.Conn, rows int) error {
	var wide, values []string
	for i := range columns - 1 {
		wide = append(wide, fmt.Sprintf("c%d text", i))
		values = append(values, fmt.Sprintf("repeat(chr(97 + (i + %d) %% 26), 83)", i))
	}
	for _, sql := range []string{
		schemas.CRM,
		`alter table messages drop constraint messages_conversation_id_fkey, drop constraint messages_reply_to_id_fkey`,
		`drop index messages_external_id, messages_by_conversation`,
		`create table wide (id bigint primary key, ` + strings.Join(wide, ", ") + `)`,
		`create publication bridge for table messages, wide`,
	} {
		if _, err := db.Exec(ctx, sql); err != nil {
			return err
		}
	}
	if _, err := db.Exec(ctx, `select pg_create_logical_replication_slot($1, 'pgoutput')`, baseSlot); err != nil {
		return err
	}
	insert := `insert into wide select i, ` + strings.Join(values, ", ")
	if s.table == "messages" {
		insert = `insert into messages (conversation_id, workspace_id, body, external_id, sender_jid, status, is_outgoing)
			select '00000000-0000-0000-0000-000000000002', '00000000-0000-0000-0000-000000000003', repeat('hello ', 20),
			md5(i::text), '5511999999999@s.whatsapp.net', 'delivered', false`
	}
	if s.each == 0 {
		_, err := db.Exec(ctx, insert+fmt.Sprintf(` from generate_series(1, %d) i`, rows))
		return err
	}
	_, err := db.Exec(ctx, fmt.Sprintf(`do $$ begin for t in 0..%d loop
		%s from generate_series(t * %d + 1, (t + 1) * %[3]d) i;
		commit; end loop; end $$`, rows/s.each-1, insert, s.each))
	return err
}

// dropSlot drops a slot, whose walsender may take a moment to notice that its reader has
// gone.
func dropSlot(ctx context.Context, db *pgx.Conn, slot string) (err error) {
	for range 200 {
		if _, err = db.Exec(ctx, "select pg_drop_replication_slot($1)", slot); err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(50 * time.Millisecond):
		}
	}
	return err
}

func dropDatabase(ctx context.Context, admin *pgx.Conn, database string) {
	_, _ = admin.Exec(ctx, "select pg_terminate_backend(active_pid) from pg_replication_slots where active")
	rows, _ := admin.Query(ctx, "select slot_name from pg_replication_slots")
	names, _ := pgx.CollectRows(rows, pgx.RowTo[string])
	for _, name := range names {
		_ = dropSlot(ctx, admin, name)
	}
	_, _ = admin.Exec(ctx, "drop database "+database+" with (force)")
}
