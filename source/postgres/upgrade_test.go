package postgres_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"chatbridge/internal/throwaway"
	"chatbridge/internal/throwaway/pgtest"
	"chatbridge/source/postgres"

	"github.com/jackc/pgx/v5"
)

// TestMajorUpgrade goes the way of docs/postgres.md from one version to the next:
// the bridge is stopped, its slot dropped, the content moved into a new cluster,
// and the bridge started there. pg_upgrade is not in the packages that bring these
// versions, so the content is copied; to the bridge it is the same: another system
// identifier, and a log of its own. From 17 on pg_upgrade also moves slots, to the
// end of the new log.
func TestMajorUpgrade(t *testing.T) {
	t.Parallel()
	from := pgtest.Cluster(t, throwaway.Options{Bin: pgtest.Version(t, "17"), TCP: true})
	to := pgtest.Cluster(t, throwaway.Options{Bin: pgtest.Version(t, "18"), TCP: true})
	for _, c := range []struct {
		moved  bool
		reason string
	}{{false, "missing"}, {true, "system identifier"}} {
		t.Run(fmt.Sprintf("slot moved=%v", c.moved), func(t *testing.T) {
			before := pgtest.On(t, from, simple)
			opts := postgres.Options{URL: before, Slot: uniqueSlot(t), Memory: &memory{}}
			since := oneRow(t, opts)
			exec(t, before, `select pg_drop_replication_slot('`+opts.Slot+`')`)
			opts.URL = pgtest.On(t, to)
			db := query(t, before, `select current_database()`)
			exec(t, opts.URL, `create database `+db)
			t.Cleanup(func() {
				exec(t, opts.URL, `select pg_drop_replication_slot(slot_name) from pg_replication_slots`)
				exec(t, to.URL("postgres"), `drop database `+db+` with (force)`)
			})
			opts.URL = withDatabase(t, opts.URL, db)
			move(t, before, opts.URL)
			if c.moved {
				exec(t, opts.URL, `select pg_create_logical_replication_slot('`+opts.Slot+`', 'pgoutput', false, false, true)`, `insert into t values (2)`)
			}
			src, rec := start(t, opts)
			wantGap(t, rec, c.reason, since)
			if !rec.gaps[0].Reload {
				t.Error("what was delivered may not be there, and is not said to be")
			}
			exec(t, opts.URL, `insert into t values (3)`)
			want := "3"
			if c.moved {
				want = "2 3"
			}
			rec.await(t, "what is new", func() bool { return strings.Join(rec.firstColumns(), " ") == want })
			_ = src.stop()
		})
	}
}

// move copies the table t into another database, with its publication.
func move(t *testing.T, from, to string) {
	t.Helper()
	exec(t, to, simple)
	conn, err := pgx.Connect(t.Context(), from)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.WithoutCancel(t.Context()))
	rows, err := conn.Query(t.Context(), `select id, v from t`)
	if err != nil {
		t.Fatal(err)
	}
	all, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) ([]any, error) { return row.Values() })
	if err != nil {
		t.Fatal(err)
	}
	target, err := pgx.Connect(t.Context(), to)
	if err != nil {
		t.Fatal(err)
	}
	defer target.Close(context.WithoutCancel(t.Context()))
	if n, err := target.CopyFrom(t.Context(), pgx.Identifier{"t"}, []string{"id", "v"}, pgx.CopyFromRows(all)); err != nil || n == 0 {
		t.Fatal(n, err)
	}
}
