package postgres_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"chatbridge/internal/throwaway"
	"chatbridge/internal/throwaway/pgtest"
	"chatbridge/source/postgres"
	"chatbridge/source/postgres/pgoutput"
)

// memory keeps a place as a file would.
type memory struct {
	mu    sync.Mutex
	place postgres.Place
	fails bool
}

func (m *memory) Load(context.Context) (postgres.Place, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.place, nil
}

func (m *memory) Save(_ context.Context, p postgres.Place) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.fails {
		return errors.New("the disk is full")
	}
	m.place = p
	return nil
}

func (m *memory) kept() postgres.Place {
	p, _ := m.Load(context.Background())
	return p
}

// oneRow has a bridge deliver the row 1 and end, and returns its commit time.
func oneRow(t *testing.T, opts postgres.Options) time.Time {
	t.Helper()
	src, rec := start(t, opts)
	exec(t, opts.URL, `insert into t values (1)`)
	rec.awaitRows(t, 1)
	if err := src.stop(); err != nil {
		t.Fatal(err)
	}
	if len(rec.gaps) > 0 {
		t.Fatalf("a first start is a gap: %v", rec.gaps)
	}
	return rec.txs[0][0].tx.Time
}

// wantGap expects one gap since the time given, and returns it.
func wantGap(t *testing.T, rec *recorder, reason string, since time.Time) {
	t.Helper()
	awaitGap(t, rec, reason)
	rec.mu.Lock()
	defer rec.mu.Unlock()
	if g := rec.gaps[0]; !g.Since.Equal(since) || g.Until.Before(since) {
		t.Errorf("gap %+v, want one since %v", g, since)
	}
}

// TestSlotChangesWhileNoBridgeRuns: what a bridge that starts finds other than
// an earlier one left it is a gap, also with default settings.
func TestSlotChangesWhileNoBridgeRuns(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ reason, sql string }{
		"dropped":  {"missing", `select pg_drop_replication_slot('SLOT')`},
		"anew":     {"past the place", `select pg_drop_replication_slot('SLOT'); select pg_create_logical_replication_slot('SLOT', 'pgoutput')`},
		"advanced": {"past the place", `select pg_replication_slot_advance('SLOT', pg_current_wal_lsn())`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			url := pgtest.DB(t, simple)
			since := oneRow(t, postgres.Options{URL: url})
			exec(t, url, `insert into t values (2)`)
			exec(t, url, strings.Split(strings.ReplaceAll(c.sql, "SLOT", uniqueSlot(t)), "; ")...)
			_, rec := start(t, postgres.Options{URL: url})
			wantGap(t, rec, c.reason, since)
			exec(t, url, `insert into t values (3)`)
			rec.awaitRows(t, 1)
		})
	}
}

// TestMemoryTakesNoRights: a role that may do nothing but replicate remembers
// what it confirmed in the database.
func TestMemoryTakesNoRights(t *testing.T) {
	t.Parallel()
	c := pgtest.Cluster(t, throwaway.Options{TCP: true})
	url := pgtest.On(t, c, simple, `create role poor login replication password 'x'`)
	poor := as(t, url, "poor")
	src, rec := start(t, postgres.Options{URL: poor})
	exec(t, url, `insert into t values (1)`)
	rec.awaitRows(t, 1)
	_ = src.stop()
	exec(t, url, `select pg_drop_replication_slot('`+uniqueSlot(t)+`')`)
	src, rec = start(t, postgres.Options{URL: poor})
	awaitGap(t, rec, "missing")
	// Nor does it matter when somebody tidies up.
	exec(t, url, `select lo_unlink(oid) from pg_largeobject_metadata`, `insert into t values (2)`)
	rec.awaitRows(t, 1)
	_ = src.stop()
	exec(t, url, `select pg_drop_replication_slot('`+uniqueSlot(t)+`')`)
	_, rec = start(t, postgres.Options{URL: poor})
	awaitGap(t, rec, "missing")
}

// TestNothingIsConfirmedThatIsNotKept looks at slot and memory under load, as
// a crash of the bridge would leave them.
func TestNothingIsConfirmedThatIsNotKept(t *testing.T) {
	t.Parallel()
	url := pgtest.DB(t, simple)
	m := &memory{}
	for _, opts := range []postgres.Options{{URL: url}, {URL: url, Memory: m}} {
		src, rec := start(t, opts)
		w := write(t, url)
		for i := range 30 {
			rec.await(t, "rows", func() bool { return len(rec.txs) > 10*i })
			// The slot first: what is kept only grows.
			confirmed := query(t, url, `select confirmed_flush_lsn::text from pg_replication_slots where slot_name = $1`, uniqueSlot(t))
			kept := query(t, url, `select coalesce(max((convert_from(lo_get(oid), 'UTF8')::jsonb ->> 'lsn')::pg_lsn), '0/0')::text from pg_largeobject_metadata`)
			if file := m.kept(); opts.Memory != nil {
				kept = query(t, url, `select greatest($1::pg_lsn, $2::pg_lsn)::text`, kept, file.LSN.String())
			}
			if i > 10 && query(t, url, `select ($1::pg_lsn <= $2::pg_lsn)::text`, confirmed, kept) != "true" {
				t.Fatalf("%s is confirmed, and only %s kept", confirmed, kept)
			}
			time.Sleep(20 * time.Millisecond)
		}
		w.end()
		_ = src.stop()
	}
}

// TestNothingKeepsThePlace: without any memory the slot is confirmed all the
// same, and the log says what that means, once.
func TestNothingKeepsThePlace(t *testing.T) {
	t.Parallel()
	url := pgtest.DB(t, simple)
	exec(t, url, `select pg_create_logical_replication_slot('`+uniqueSlot(t)+`', 'pgoutput')`)
	src, rec := start(t, postgres.Options{URL: url, Create: postgres.CreateNothing, Memory: &memory{fails: true}})
	exec(t, url, `insert into t values (1)`)
	rec.awaitRows(t, 1)
	end := src.Stats().Handled
	awaitSlot(t, url, `confirmed_flush_lsn >= '`+end.String()+`'`)
	_ = src.stop()
	if n := strings.Count(src.log.String(), "nothing keeps what was confirmed"); n != 1 {
		t.Errorf("said %d times", n)
	}
}

// TestTwoBridgesWithFilesOfTheirOwn: what one of them read while the other was
// away is no gap for the other, because the database knows it too.
func TestTwoBridgesWithFilesOfTheirOwn(t *testing.T) {
	t.Parallel()
	url := pgtest.DB(t, simple)
	one, two := &memory{}, &memory{}
	oneRow(t, postgres.Options{URL: url, Memory: one})
	for i, m := range []*memory{two, one, two} {
		src, rec := start(t, postgres.Options{URL: url, Memory: m})
		exec(t, url, `insert into t select max(id) + 1 from t`)
		rec.awaitRows(t, 1)
		if err := src.stop(); err != nil || len(rec.gaps) > 0 {
			t.Errorf("run %d: %v, gaps %v", i+1, err, rec.gaps)
		}
	}
}

// TestRewoundSlotIsNoGap: a server that crashes forgets how far the slot was.
func TestRewoundSlotIsNoGap(t *testing.T) {
	t.Parallel()
	c := pgtest.Cluster(t, throwaway.Options{TCP: true})
	url := pgtest.On(t, c, simple)
	m := &memory{}
	opts := postgres.Options{URL: url, Slot: uniqueSlot(t), Memory: m}
	src, rec := start(t, opts)
	for _, mode := range []string{"immediate", "fast"} {
		exec(t, url, `insert into t select coalesce(max(id), 0) + 1 from t`, `insert into t select max(id) + 1 from t`)
		n := len(query(t, url, `select string_agg('x', '') from t`))
		rec.awaitRows(t, n)
		if err := c.Restart(t.Context(), mode); err != nil {
			t.Fatal(err)
		}
		checkIDs(t, rec, n)
	}
	_ = src.stop()
	if err := c.Restart(t.Context(), "immediate"); err != nil {
		t.Fatal(err)
	}
	_, again := start(t, opts)
	exec(t, url, `insert into t values (5)`)
	again.await(t, "row 5", func() bool { ids := again.firstColumns(); return len(ids) > 0 && ids[len(ids)-1] == "5" })
	if len(again.gaps) > 0 || len(rec.gaps) > 0 {
		t.Errorf("gaps %v %v", rec.gaps, again.gaps)
	}
}

// TestOneThatLostTheSlotTakesNothingBack: a bridge whose network was away had sent the
// place to save. It arrives after another one has read on, and the next must not take it
// for how far that was: all since then would be a gap.
func TestOneThatLostTheSlotTakesNothingBack(t *testing.T) {
	t.Parallel()
	direct := pgtest.DB(t, simple)
	p, through := newProxy(t, direct)
	opts := postgres.Options{URL: through, Slot: uniqueSlot(t), ServerTimeout: time.Minute, Watch: time.Minute}
	first, rec := start(t, opts)
	// Longer than until the first bridge is to save again.
	opts.URL, opts.HolderTimeout, opts.Watch = direct, 1500*time.Millisecond, 0
	next := newRecorder()
	second := run(t, opts, next)
	second.awaitState(t, postgres.Standby)
	last := func(rec *recorder) pgoutput.LSN {
		rec.mu.Lock()
		defer rec.mu.Unlock()
		return pgoutput.LSN(rec.txs[len(rec.txs)-1][0].tx.Commit)
	}
	saved := func() pgoutput.LSN {
		t.Helper()
		text := query(t, direct, `select string_agg(convert_from(lo_get(oid), 'utf8'), '') from pg_largeobject_metadata where oid::int8 between $1 and $2`, objects(uniqueSlot(t))...)
		if text == "" {
			return 0 // nothing was saved yet
		}
		place, err := postgres.DecodePlace([]byte(text))
		if err != nil {
			t.Fatalf("%v: %q", err, text)
		}
		return place.Commit
	}
	exec(t, direct, `insert into t values (1)`)
	rec.awaitRows(t, 1)
	first.awaitStats(t, "that its place is saved", func(postgres.Stats) bool { return saved() == last(rec) })
	exec(t, direct, `insert into t values (2)`)
	rec.awaitRows(t, 2)
	p.freeze() // before the place of that is saved
	exec(t, direct, `insert into t values (3)`)
	next.await(t, "the last row", func() bool { ids := next.firstColumns(); return len(ids) > 0 && ids[len(ids)-1] == "3" })
	second.awaitStats(t, "that its place is saved", func(postgres.Stats) bool { return saved() == last(next) })
	p.thaw()
	first.awaitState(t, postgres.Standby)
	if now := saved(); now != last(next) {
		t.Errorf("the place that is saved is of the commit %v, not %v", now, last(next))
	}
}

func objects(slot string) []any {
	first, last := postgres.Objects(slot)
	return []any{int64(first), int64(last)}
}
