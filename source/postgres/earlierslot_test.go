package postgres_test

import (
	"testing"

	"chatbridge/internal/throwaway"
	"chatbridge/internal/throwaway/pgtest"
	"chatbridge/source/postgres"
)

// TestOtherHistoryWithAnEarlierSlot: nothing but who the server is gives it
// away. Its slot is not past the place that was reached, and its log ends
// beyond it.
func TestOtherHistoryWithAnEarlierSlot(t *testing.T) {
	t.Parallel()
	one := pgtest.Cluster(t, throwaway.Options{TCP: true})
	// With an initdb of its own: a copy of the same template is the same system.
	two := pgtest.Cluster(t, throwaway.Options{TCP: true, Bin: one.Bin()})
	first := pgtest.On(t, one, `create role app superuser login password 'x'`, simple)
	second := pgtest.On(t, two, `create role app superuser login password 'x'`)
	db := query(t, first, "select current_database()")
	exec(t, second, `create database `+db)
	second = withDatabase(t, second, db)
	exec(t, second, simple, `select pg_create_logical_replication_slot('`+uniqueSlot(t)+`', 'pgoutput')`, `insert into t values (2)`)
	exec(t, first, foreign(20))
	exec(t, second, foreign(60))
	p, through := newProxy(t, as(t, first, "app"))
	src, rec := start(t, postgres.Options{URL: through})
	exec(t, first, `insert into t values (1)`)
	rec.awaitRows(t, 1)
	p.leadTo(t, second)
	p.cut()
	rec.await(t, "a gap", func() bool { return len(rec.gaps) == 1 })
	rec.awaitRows(t, 2) // what the other history's slot holds is not left out
	if err := src.stop(); err != nil {
		t.Error(err)
	}
	exec(t, second, `select pg_drop_replication_slot('`+uniqueSlot(t)+`')`)
}
