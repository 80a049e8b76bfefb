package postgres_test

import (
	"slices"
	"testing"

	"chatbridge/internal/throwaway/pgtest"
	"chatbridge/source/postgres"
)

// simple is a table, and the publication of it.
const simple = `create table t (id int primary key, v text); create publication bridge for table t`

func TestStreamsWhatIsCommitted(t *testing.T) {
	t.Parallel()
	url := pgtest.DB(t, simple)
	rec := newRecorder()
	src := run(t, postgres.Options{URL: url, Slot: uniqueSlot(t)}, rec)
	src.awaitState(t, postgres.Streaming)
	exec(t, url,
		`insert into t values (1, 'one'), (2, null)`,
		`update t set v = 'eins' where id = 1`,
		`update t set id = 3 where id = 2`,
		`delete from t where id = 1`,
		`begin; insert into t values (9, 'no'); rollback`,
		`begin; insert into t values (4, 'yes'); savepoint a; insert into t values (5, 'no'); rollback to a; commit`,
		`truncate t`)
	want := []string{
		"insert 1|one", "insert 2|∅", "update 1|eins", "update 3|∅ old 2|-", "delete old 1|-", "insert 4|yes", "truncate",
	}
	rec.await(t, "7 changes", func() bool { return len(rec.txs) == 6 })
	if got := rec.rows(); !slices.Equal(got, want) {
		t.Errorf("got %q\nwant %q", got, want)
	}
	if err := src.stop(); err != nil {
		t.Error("Run:", err)
	}
	if st := src.Stats(); st.State != postgres.Stopped || st.Transactions != 6 || st.Inserts != 3 || st.Updates != 2 || st.Deletes != 1 || st.Truncates != 1 {
		t.Errorf("stats: %+v", st)
	}
}
