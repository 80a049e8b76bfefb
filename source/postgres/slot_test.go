package postgres_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"chatbridge/internal/throwaway"
	"chatbridge/internal/throwaway/pgtest"
	"chatbridge/source/postgres"
)

// foreign writes n MiB to the log of the database that are not published.
func foreign(n int) string {
	return fmt.Sprintf(`select count(pg_logical_emit_message(false, 'x', repeat('x', 1048576))) from generate_series(1, %d)`, n)
}

// unconfirmed is how much of the log the slot has not confirmed.
const unconfirmed = `pg_current_wal_lsn() - confirmed_flush_lsn`

// awaitSlot waits until an expression over the slot is true.
func awaitSlot(t testing.TB, url, cond string) {
	t.Helper()
	for deadline := time.Now().Add(waitLimit); ; time.Sleep(20 * time.Millisecond) {
		if query(t, url, `select coalesce((select (`+cond+`)::text from pg_replication_slots where slot_name = $1), 'none')`, uniqueSlot(t)) == "true" {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("the slot does not come to %s; %s", cond, query(t, url, `select to_jsonb(s)::text from pg_replication_slots s where slot_name = $1`, uniqueSlot(t)))
		}
	}
}

// TestIdlePublicationHoldsNothingBack writes much that is not published.
func TestIdlePublicationHoldsNothingBack(t *testing.T) {
	t.Parallel()
	url := pgtest.DB(t, simple, `create table other (v text)`)
	start(t, postgres.Options{URL: url, Ping: 100 * time.Millisecond})
	exec(t, url, `insert into other select repeat('x', 1000) from generate_series(1, 5000)`, foreign(10))
	awaitSlot(t, url, unconfirmed+` < 100000`)
}

// TestStopConfirmsAll: after an orderly end the slot is free at once, and
// nothing comes twice.
func TestStopConfirmsAll(t *testing.T) {
	t.Parallel()
	url := pgtest.DB(t, simple)
	src, rec := start(t, postgres.Options{URL: url})
	exec(t, url, `insert into t values (1)`, `insert into t values (2)`)
	rec.awaitRows(t, 2)
	began := time.Now()
	if err := src.stop(); err != nil {
		t.Fatal(err)
	}
	t.Logf("stopped after %v", time.Since(began))
	awaitSlot(t, url, `not active`)
	src, rec = start(t, postgres.Options{URL: url})
	exec(t, url, `insert into t values (3)`)
	rec.awaitRows(t, 1)
	if got := rec.rows()[0]; !strings.HasPrefix(got, "insert 3|") || len(rec.rows()) != 1 {
		t.Errorf("got %q", rec.rows())
	}
	_ = src
}

// TestRetainedWindowComesAgain: the next process reads the retained window
// of time again, and not more.
func TestRetainedWindowComesAgain(t *testing.T) {
	t.Parallel()
	url := pgtest.DB(t, simple)
	const retain = 4 * time.Second
	src, rec := start(t, postgres.Options{URL: url, Retain: retain, Ping: 100 * time.Millisecond})
	exec(t, url, `insert into t values (1)`)
	rec.awaitRows(t, 1)
	end := src.Stats().Handled
	if src.Stats().Confirmed >= end {
		t.Error("the transaction is confirmed before its time")
	}
	// When its time is over it is confirmed although nothing else happens.
	src.awaitStats(t, "confirmation of the first", func(s postgres.Stats) bool { return s.Confirmed >= end })
	awaitSlot(t, url, `confirmed_flush_lsn >= '`+end.String()+`'`)
	first := rec.rows()
	exec(t, url, `insert into t values (2)`, `insert into t values (3)`)
	rec.awaitRows(t, 3)
	if err := src.stop(); err != nil {
		t.Fatal(err)
	}
	_, again := start(t, postgres.Options{URL: url, Retain: retain})
	exec(t, url, `insert into t values (4)`)
	again.awaitRows(t, 3)
	again.mu.Lock()
	ids := fmt.Sprint(again.firstColumns())
	again.mu.Unlock()
	if ids != "[2 3 4]" {
		t.Errorf("got %s again, want 2, 3 and the new 4 (the first process had %q)", ids, first)
	}
}

// TestMaxLag runs on a cluster of its own, one test after the other, because
// whatever others write to the log of a cluster counts.
func TestMaxLag(t *testing.T) {
	t.Parallel()
	c := pgtest.Cluster(t, throwaway.Options{TCP: true, Settings: map[string]string{"autovacuum": "off"}})
	t.Run("retention yields", func(t *testing.T) { retentionYields(t, pgtest.On(t, c, simple)) })
	t.Run("at start", func(t *testing.T) { tooFarBehindAtStart(t, pgtest.On(t, c, simple)) })
	t.Run("while running", func(t *testing.T) { tooFarBehindWhileRunning(t, pgtest.On(t, c, simple)) })
}

// retentionYields: holding back for the next process must not itself cost the
// slot.
func retentionYields(t *testing.T, url string) {
	_, rec := start(t, postgres.Options{URL: url, Retain: time.Hour, MaxLag: 8 << 20, Ping: 100 * time.Millisecond})
	for i := range 20 {
		exec(t, url, fmt.Sprintf(`insert into t values (%d)`, i), foreign(1))
		// Each in turn: 20 MiB at once can pass the bound before a reply is due.
		awaitSlot(t, url, unconfirmed+` < 6000000`)
	}
	rec.awaitRows(t, 20)
	if len(rec.gaps) > 0 {
		t.Errorf("gaps %v", rec.gaps)
	}
}

func awaitGap(t testing.TB, rec *recorder, reason string) {
	t.Helper()
	rec.await(t, "a gap: "+reason, func() bool { return len(rec.gaps) > 0 })
	rec.mu.Lock()
	defer rec.mu.Unlock()
	if len(rec.gaps) != 1 || !strings.Contains(rec.gaps[0].Reason, reason) || rec.gaps[0].Until.IsZero() {
		t.Errorf("gaps %+v, want one because %q", rec.gaps, reason)
	}
}

// tooFarBehindAtStart reads what there is: giving the slot up would lose it,
// and the disk holds it already. While it catches up the slot stays.
func tooFarBehindAtStart(t *testing.T, url string) {
	src, rec := start(t, postgres.Options{URL: url})
	exec(t, url, `insert into t values (1)`)
	rec.awaitRows(t, 1)
	_ = src.stop()
	exec(t, url, `insert into t values (2)`, foreign(3))
	rec = newRecorder()
	polled := make(chan struct{})
	rec.setBefore(func(string) error { <-polled; return nil })
	src = run(t, postgres.Options{URL: url, Slot: uniqueSlot(t), MaxLag: 2 << 20, Watch: 20 * time.Millisecond}, rec)
	first := src.awaitState(t, postgres.Streaming).Slot.At
	src.awaitStats(t, "some polls of the slot", func(s postgres.Stats) bool { return s.Slot.At.Sub(first) > 200*time.Millisecond })
	close(polled)
	exec(t, url, `insert into t values (3)`)
	rec.awaitRows(t, 2)
	if ids := fmt.Sprint(rec.firstColumns()); ids != "[2 3]" || len(rec.gaps) > 0 {
		t.Errorf("got %s, gaps %v", ids, rec.gaps)
	}
	// Once it has caught up, max_lag is what it was.
	awaitSlot(t, url, unconfirmed+` < 1000000`)
}

// tooFarBehindWhileRunning: a handler that hangs must not fill the server's
// disk.
func tooFarBehindWhileRunning(t *testing.T, url string) {
	src, rec := start(t, postgres.Options{URL: url, MaxLag: 2 << 20})
	exec(t, url, `insert into t values (1)`)
	rec.awaitRows(t, 1)
	goOn := make(chan struct{})
	rec.setBefore(func(string) error { <-goOn; return nil })
	exec(t, url, `insert into t values (2)`, foreign(4))
	// The slot goes while the handler hangs.
	for deadline := time.Now().Add(waitLimit); query(t, url, `select count(*)::text from pg_replication_slots where slot_name = $1`, uniqueSlot(t)) != "0"; time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the slot is still there")
		}
	}
	rec.setBefore(nil)
	close(goOn)
	awaitGap(t, rec, "max_lag")
	src.awaitState(t, postgres.Streaming)
	exec(t, url, `insert into t values (3)`)
	rec.await(t, "the row after the gap", func() bool {
		ids := rec.firstColumns()
		return len(ids) > 0 && ids[len(ids)-1] == "3"
	})
	rec.mu.Lock()
	defer rec.mu.Unlock()
	if g := rec.gaps[0]; g.Since.IsZero() || g.Until.Before(g.Since) {
		t.Errorf("gap %+v", g)
	}
}

// TestSlotLostByTheServer uses a server that keeps very little.
func TestSlotLostByTheServer(t *testing.T) {
	t.Parallel()
	c := pgtest.Cluster(t, throwaway.Options{TCP: true, Settings: map[string]string{
		"max_slot_wal_keep_size": "16MB", "wal_keep_size": "0", "min_wal_size": "32MB", "max_wal_size": "64MB",
	}})
	url := pgtest.On(t, c, simple)
	src, rec := start(t, postgres.Options{URL: url})
	exec(t, url, `insert into t values (1)`)
	rec.awaitRows(t, 1)
	t.Run("while away", func(t *testing.T) {
		_ = src.stop()
		exec(t, url, `insert into t values (2)`)
		exec(t, url, loseSlot()...)
		if got := query(t, url, `select wal_status from pg_replication_slots`); got != "lost" {
			t.Fatalf("wal_status is %s", got)
		}
	})
	src, rec = start(t, postgres.Options{URL: url})
	awaitGap(t, rec, "removed")
	exec(t, url, `insert into t values (3)`)
	rec.awaitRows(t, 1)

	// And under our feet: the handler hangs, and the server ends us.
	goOn := make(chan struct{})
	hanging := make(chan struct{}, 10)
	rec.setBefore(func(string) error { hanging <- struct{}{}; <-goOn; return nil })
	exec(t, url, `insert into t values (4)`)
	<-hanging
	exec(t, url, loseSlot()...)
	rec.setBefore(nil)
	close(goOn)
	rec.await(t, "the second gap", func() bool { return len(rec.gaps) == 2 })
	src.awaitState(t, postgres.Streaming)
	exec(t, url, `insert into t values (5)`)
	rec.await(t, "the row after the gap", func() bool {
		ids := rec.firstColumns()
		return ids[len(ids)-1] == "5"
	})
}

func TestMissingSlot(t *testing.T) {
	t.Parallel()
	url := pgtest.DB(t, simple)
	drop := `select pg_drop_replication_slot('` + uniqueSlot(t) + `')`
	// A first start is no gap.
	src, rec := start(t, postgres.Options{URL: url})
	_ = src.stop()
	if len(rec.gaps) != 0 {
		t.Errorf("a first start is a gap: %v", rec.gaps)
	}
	// Where something was delivered before, it is. A file of an earlier
	// version holds a time only.
	exec(t, url, drop, `select lo_unlink(oid) from pg_largeobject_metadata`)
	delivered := time.Now().Add(-time.Hour).UTC().Truncate(time.Second)
	src, rec = start(t, postgres.Options{URL: url, Memory: &memory{place: postgres.Place{CommitTime: delivered}}})
	awaitGap(t, rec, "missing")
	if !rec.gaps[0].Since.Equal(delivered) {
		t.Errorf("since %v, want %v", rec.gaps[0].Since, delivered)
	}
	_ = src.stop()
	// Where it may not be created, it waits for the operator.
	exec(t, url, drop)
	rec = newRecorder()
	src = run(t, postgres.Options{URL: url, Slot: uniqueSlot(t), Create: postgres.CreateNothing}, rec)
	s := src.awaitState(t, postgres.Blocked)
	if !strings.Contains(s.Reason, "pg_create_logical_replication_slot") {
		t.Errorf("no remedy in %q", s.Reason)
	}
	exec(t, url, `select pg_create_logical_replication_slot('`+uniqueSlot(t)+`', 'pgoutput')`)
	src.awaitState(t, postgres.Streaming)
}

// TestStandbyTakesOver: of two bridges one streams; when it ends the other
// goes on, without a gap and with the retained window.
func TestStandbyTakesOver(t *testing.T) {
	t.Parallel()
	direct := pgtest.DB(t, simple)
	p, through := newProxy(t, direct)
	opts := postgres.Options{URL: through, Slot: uniqueSlot(t), Retain: time.Minute, ServerTimeout: time.Minute}
	active, first := start(t, opts)
	opts.URL, opts.HolderTimeout = direct, 2*time.Second
	second := newRecorder()
	standby := run(t, opts, second)
	s := standby.awaitState(t, postgres.Standby)
	if !strings.Contains(s.Reason, "the bridge ") {
		t.Errorf("reason %q", s.Reason)
	}
	exec(t, direct, `insert into t values (1)`)
	first.awaitRows(t, 1)
	if len(second.rows()) != 0 {
		t.Error("the one that stands by got rows")
	}
	// The network of the active one goes: neither it nor the server notices,
	// but the other does.
	p.freeze()
	began := time.Now()
	standby.awaitState(t, postgres.Streaming)
	t.Logf("took over from a silent one after %v", time.Since(began))
	second.awaitRows(t, 1)
	// The first comes back and stands by now.
	opts.URL = direct
	p.thaw()
	active.awaitState(t, postgres.Standby)
	exec(t, direct, `insert into t values (2)`)
	second.awaitRows(t, 2)
	// An orderly end hands over at once.
	began = time.Now()
	_ = standby.stop()
	active.awaitState(t, postgres.Streaming)
	t.Logf("took over from a stopped one after %v", time.Since(began))
	if took := time.Since(began); took > 3*time.Second {
		t.Errorf("it took %v", took)
	}
	first.awaitRows(t, 2)
	if len(first.gaps)+len(second.gaps) > 0 {
		t.Errorf("gaps %v %v", first.gaps, second.gaps)
	}
}

// TestAnotherReaderMovedTheSlot: what another one confirmed while we stood by
// is lost to us, and said to be.
func TestAnotherReaderMovedTheSlot(t *testing.T) {
	t.Parallel()
	direct := pgtest.DB(t, simple)
	p, through := newProxy(t, direct)
	one, first := start(t, postgres.Options{URL: through, Slot: uniqueSlot(t)})
	exec(t, direct, `insert into t values (1)`)
	first.awaitRows(t, 1)
	second := newRecorder()
	other := run(t, postgres.Options{URL: direct, Slot: uniqueSlot(t), HolderTimeout: 2 * time.Second}, second)
	p.freeze()
	other.awaitState(t, postgres.Streaming)
	exec(t, direct, `insert into t values (2)`)
	// Row 1 may come first: it was handled, but perhaps not confirmed.
	second.await(t, "row 2", func() bool { return slices.Contains(second.firstColumns(), "2") })
	_ = other.stop()
	p.thaw()
	awaitGap(t, first, "another reader")
	exec(t, direct, `insert into t values (3)`)
	first.awaitRows(t, 2)
	if err := one.stop(); err != nil {
		t.Error(err)
	}
}

// TestMissingPublication drops the publication while it streams.
func TestMissingPublication(t *testing.T) {
	t.Parallel()
	missingPublication(t, pgtest.DB(t, simple))
}

func missingPublication(t *testing.T, url string) {
	src, rec := start(t, postgres.Options{URL: url, Tables: []string{"public.t"}})
	exec(t, url, `insert into t values (1)`)
	rec.awaitRows(t, 1)
	exec(t, url, `drop publication bridge`, `insert into t values (2)`)
	s := src.awaitState(t, postgres.Blocked)
	if !strings.Contains(s.Reason, `CREATE PUBLICATION "bridge" FOR TABLE public.t`) {
		t.Errorf("no remedy in %q", s.Reason)
	}
	exec(t, url, `create publication bridge for table t`)
	src.awaitState(t, postgres.Streaming)
	// The slot cannot get past the row 2, so it was made anew.
	awaitGap(t, rec, "publication")
	exec(t, url, `insert into t values (3)`)
	rec.awaitRows(t, 2)
	rec.mu.Lock()
	defer rec.mu.Unlock()
	if ids := fmt.Sprint(rec.firstColumns()); ids != "[1 3]" {
		t.Errorf("got %s", ids)
	}
}

func TestBlockedStates(t *testing.T) {
	t.Parallel()
	c := pgtest.Cluster(t, throwaway.Options{TCP: true, Settings: map[string]string{"wal_level": "replica"}})
	url := pgtest.On(t, c, simple, `create role poor login password 'x'`, `create role rep login replication password 'other'`)
	slot := uniqueSlot(t)

	level := run(t, postgres.Options{URL: url, Slot: slot}, newRecorder())
	if s := level.awaitState(t, postgres.Blocked); !strings.Contains(s.Reason, "ALTER SYSTEM SET wal_level") {
		t.Errorf("wal_level: %q", s.Reason)
	}
	exec(t, url, `alter system set wal_level = 'logical'`)
	if err := c.Restart(t.Context(), "fast"); err != nil {
		t.Fatal(err)
	}
	level.awaitState(t, postgres.Streaming)

	wrong := run(t, postgres.Options{URL: as(t, url, "rep"), Slot: slot + "_2"}, newRecorder())
	if s := wrong.awaitState(t, postgres.Blocked); !strings.Contains(s.Reason, "password") || s.LastError.Code != "28P01" || s.LastError.Remedy == "" {
		t.Errorf("wrong password: %q, %+v", s.Reason, s.LastError)
	}
	exec(t, url, `alter role rep password 'x'`)
	wrong.awaitState(t, postgres.Streaming)

	poor := run(t, postgres.Options{URL: as(t, url, "poor"), Slot: slot + "_3"}, newRecorder())
	if s := poor.awaitState(t, postgres.Blocked); !strings.Contains(s.Reason, "REPLICATION") || s.LastError.Code != "42501" {
		t.Errorf("no right: %q", s.Reason)
	}
	exec(t, url, `alter role poor replication`)
	poor.awaitState(t, postgres.Streaming)

	missing := run(t, postgres.Options{URL: withDatabase(t, url, "nowhere"), Slot: slot + "_4"}, newRecorder())
	if s := missing.awaitState(t, postgres.Blocked); s.LastError.Code != "3D000" {
		t.Errorf("no database: %q", s.Reason)
	}
	for _, r := range []*running{level, wrong, poor, missing} {
		if err := r.stop(); err != nil {
			t.Error(err)
		}
	}
	ctx := context.WithoutCancel(t.Context())
	_ = pgtest.Exec(ctx, url, `select pg_drop_replication_slot(slot_name) from pg_replication_slots`)
}

func TestForeignSlotIsFatal(t *testing.T) {
	t.Parallel()
	url := pgtest.DB(t, simple)
	exec(t, url, `select pg_create_logical_replication_slot('`+uniqueSlot(t)+`', 'test_decoding')`)
	src := run(t, postgres.Options{URL: url, Slot: uniqueSlot(t)}, newRecorder())
	<-src.done
	if err := src.stop(); err == nil || !strings.Contains(err.Error(), "test_decoding") || !strings.Contains(err.Error(), "another source.postgres.slot") {
		t.Errorf("got %v", err)
	}
}
