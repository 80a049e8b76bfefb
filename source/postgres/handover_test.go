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

// handedOver returns where a source is once it has handled n rows.
func handedOver(t *testing.T, src *running, rec *recorder, n int) postgres.Handover {
	t.Helper()
	rec.awaitRows(t, n)
	rec.mu.Lock()
	last := rec.txs[len(rec.txs)-1][0].tx.Commit
	rec.mu.Unlock()
	src.awaitStats(t, "the place after the last row", func(postgres.Stats) bool {
		at, ok := src.Handover()
		return ok && uint64(at.LSN) > last
	})
	at, _ := src.Handover()
	return at
}

func resumeAt(at postgres.Handover) func(context.Context, uint64) (postgres.Handover, bool) {
	return func(context.Context, uint64) (postgres.Handover, bool) { return at, true }
}

// TestAnotherGoesOnWhereOneWas: a Source that is told where the one before was reads
// nothing before that, and nothing is confirmed because of it: one that is told nothing
// reads all again.
func TestAnotherGoesOnWhereOneWas(t *testing.T) {
	t.Parallel()
	for _, v := range pgtest.Versions(t, "15", "17", "18") {
		t.Run(v, func(t *testing.T) {
			t.Parallel()
			c := pgtest.Cluster(t, throwaway.Options{Bin: pgtest.Version(t, v), TCP: true})
			url := pgtest.On(t, c, simple)
			confirmed := func() string {
				return query(t, url, `select confirmed_flush_lsn::text from pg_replication_slots where slot_name = $1`, uniqueSlot(t))
			}
			opts := postgres.Options{URL: url, Slot: uniqueSlot(t), Retain: time.Hour}
			src, rec := start(t, opts)
			exec(t, url, `insert into t values (1)`, `insert into t values (2)`, `insert into t values (3)`)
			at, before := handedOver(t, src, rec, 3), confirmed()
			if err := src.stop(); err != nil {
				t.Fatal(err)
			}
			for i, restart := range []string{"", "fast", "immediate"} {
				id := 4 + i
				if restart != "" { // then only the last transaction shows whose history it is
					if err := c.Restart(t.Context(), restart); err != nil {
						t.Fatal(err)
					}
				}
				exec(t, url, fmt.Sprintf(`insert into t values (%d)`, id))
				next := opts
				next.Resume = resumeAt(at)
				src, rec = start(t, next)
				at = handedOver(t, src, rec, 1)
				if got := rec.rows(); !slices.Equal(got, []string{fmt.Sprintf("insert %d|∅", id)}) {
					t.Errorf("after the restart %q it reads %q, want row %d alone", restart, got, id)
				}
				if err := src.stop(); err != nil {
					t.Fatal(err)
				}
				if len(rec.gaps) > 0 {
					t.Errorf("after the restart %q: gaps %+v", restart, rec.gaps)
				}
				if now := confirmed(); now != before {
					t.Errorf("after the restart %q %s is confirmed, not %s as before", restart, now, before)
				}
			}
			_, rec = start(t, opts)
			checkIDs(t, rec, 6)
		})
	}
}

// TestAPlaceOfAnotherHistoryIsNotGoneOnFrom: the disk was put back while nobody read, and
// the log has grown past the place that is handed over. Nothing of the new history is
// skipped in silence.
func TestAPlaceOfAnotherHistoryIsNotGoneOnFrom(t *testing.T) {
	t.Parallel()
	c := pgtest.Cluster(t, throwaway.Options{TCP: true})
	url := pgtest.On(t, c, simple)
	opts := postgres.Options{URL: url, Slot: uniqueSlot(t), Retain: time.Hour}
	src, rec := start(t, opts)
	exec(t, url, `insert into t values (1)`)
	rec.awaitRows(t, 1)
	putBack := snapshot(t, c)
	src.awaitState(t, postgres.Streaming)
	exec(t, url, `insert into t values (2)`, `insert into t values (3)`)
	at := handedOver(t, src, rec, 3)
	_ = src.stop()
	putBack()
	exec(t, url, `insert into t values (12)`, `insert into t values (13)`, foreign(4))
	opts.Resume = resumeAt(at)
	_, rec = start(t, opts)
	exec(t, url, `insert into t values (14)`)
	rec.await(t, "the new history", func() bool { return slices.Contains(rec.firstColumns(), "14") })
	toldOfAnotherHistory(t, rec, at, "12 13 14")
}

// toldOfAnotherHistory checks that what was handed over last is where the other history was told
// of, once, and that rows end the new one.
func toldOfAnotherHistory(t *testing.T, rec *recorder, last postgres.Handover, rows string) {
	t.Helper()
	rec.mu.Lock()
	defer rec.mu.Unlock()
	if len(rec.gaps) != 1 || !rec.gaps[0].Reload || !rec.gaps[0].Since.Equal(last.CommitTime) {
		t.Errorf("gaps %+v, want one since %v, with everything to be loaded again", rec.gaps, last.CommitTime)
	}
	if got := strings.Join(rec.firstColumns(), " "); !strings.HasSuffix(got, rows) {
		t.Errorf("got %s, want all of the new history at the end", got)
	}
}

// TestItTakesTheSlotAtOnceWhereItIsTold: it does not wait for its next look.
func TestItTakesTheSlotAtOnceWhereItIsTold(t *testing.T) {
	t.Parallel()
	url := pgtest.DB(t, simple)
	first, _ := start(t, postgres.Options{URL: url, Slot: uniqueSlot(t)})
	freed := make(chan struct{}, 1)
	next := run(t, postgres.Options{URL: url, Slot: uniqueSlot(t), StandbyPoll: time.Hour, Freed: freed}, newRecorder())
	next.awaitState(t, postgres.Standby)
	if err := first.stop(); err != nil {
		t.Fatal(err)
	}
	freed <- struct{}{}
	next.awaitState(t, postgres.Streaming)
}

// TestWhatAnotherDeliveredIsExpected: another Source of the slot delivered rows, the disk was
// put back, and one begins that has read nothing yet, beside a memory that was put back too.
// It tells of the other history, whether or not the log has grown past what was delivered,
// and also where a place of before that is handed over, which the database has.
func TestWhatAnotherDeliveredIsExpected(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name         string
		past, resume bool
	}{{"shorter log", false, false}, {"longer log", true, false}, {"longer log, older place", true, true}, {"shorter log, older place", false, true}} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			c := pgtest.Cluster(t, throwaway.Options{TCP: true})
			url := pgtest.On(t, c, simple)
			opts := postgres.Options{URL: url, Slot: uniqueSlot(t), Retain: time.Hour}
			src, rec := start(t, opts)
			exec(t, url, `insert into t values (1)`)
			place := handedOver(t, src, rec, 1)
			putBack := snapshot(t, c)
			src.awaitState(t, postgres.Streaming)
			exec(t, url, `insert into t values (2)`, `insert into t values (3)`)
			last := handedOver(t, src, rec, 3)
			_ = src.stop()
			putBack()
			exec(t, url, `insert into t values (12)`)
			if test.past {
				exec(t, url, foreign(4))
			}
			if test.resume {
				opts.Resume = resumeAt(place)
			}
			last.Database, last.Started, last.LSN = "", "", last.Commit+1 // all that its events tell
			opts.Delivered = func(context.Context) (postgres.Handover, bool) { return last, true }
			_, rec = start(t, opts)
			rec.await(t, "the new history", func() bool { return slices.Contains(rec.firstColumns(), "12") })
			exec(t, url, `insert into t values (14)`)
			rec.await(t, "the new history", func() bool { return slices.Contains(rec.firstColumns(), "14") })
			toldOfAnotherHistory(t, rec, last, "1 12 14")
		})
	}
}

// TestWhatAnotherDeliveredIsThere: where the database has it, nothing is told, also after a
// restart; nor where the slot is past it, because then others have handled more.
func TestWhatAnotherDeliveredIsThere(t *testing.T) {
	t.Parallel()
	c := pgtest.Cluster(t, throwaway.Options{TCP: true})
	url := pgtest.On(t, c, simple)
	opts := postgres.Options{URL: url, Slot: uniqueSlot(t), Retain: time.Hour}
	src, rec := start(t, opts)
	exec(t, url, `insert into t values (1)`, `insert into t values (2)`)
	last := handedOver(t, src, rec, 2)
	_ = src.stop()
	for i, restart := range []string{"", "immediate", "moved on"} {
		switch restart {
		case "immediate":
			if err := c.Restart(t.Context(), restart); err != nil {
				t.Fatal(err)
			}
		case "moved on":
			exec(t, url, fmt.Sprintf(`select pg_replication_slot_advance('%s', pg_current_wal_lsn())`, opts.Slot),
				`delete from pg_largeobject_metadata`, `delete from pg_largeobject`)
		}
		exec(t, url, fmt.Sprintf(`insert into t values (%d)`, 3+i))
		next := opts
		next.Delivered = func(context.Context) (postgres.Handover, bool) { return last, true }
		src, rec = start(t, next)
		rec.await(t, "the new row", func() bool { return slices.Contains(rec.firstColumns(), fmt.Sprint(3+i)) })
		if err := src.stop(); err != nil {
			t.Fatal(err)
		}
		if len(rec.gaps) > 0 {
			t.Errorf("%q: gaps %+v", restart, rec.gaps)
		}
	}
}

// TestASpareKnowsWhatTheDatabaseRemembered: a bridge that waits for the slot reads what the one
// that has it remembers in the database. The disk is put back, and the one that waited is the
// first to have the slot: it tells of the other history.
func TestASpareKnowsWhatTheDatabaseRemembered(t *testing.T) {
	t.Parallel()
	c := pgtest.Cluster(t, throwaway.Options{TCP: true})
	direct := pgtest.On(t, c, simple)
	p, through := newProxy(t, direct)
	opts := postgres.Options{URL: through, Slot: uniqueSlot(t)}
	first, rec := start(t, opts)
	exec(t, direct, `insert into t values (1)`)
	rec.awaitRows(t, 1)
	putBack := snapshot(t, c)
	first.awaitState(t, postgres.Streaming)
	exec(t, direct, `insert into t values (2)`, `insert into t values (3)`)
	last := handedOver(t, first, rec, 3)
	first.awaitStats(t, "the last row in the database's memory", func(postgres.Stats) bool {
		return query(t, direct, `select coalesce(bool_or((convert_from(lo_get(oid), 'UTF8')::jsonb ->> 'lsn')::pg_lsn > $1::pg_lsn), false)::text
			from pg_largeobject_metadata where oid::int8 between $2 and $3`, append([]any{last.Commit.String()}, objects(opts.Slot)...)...) == "true"
	})
	rec = newRecorder()
	spare := run(t, opts, rec)
	spare.awaitState(t, postgres.Standby)
	p.freeze()
	p.cut()
	_ = first.stop()
	putBack()
	exec(t, direct, `insert into t values (12)`, foreign(4), `insert into t values (13)`)
	p.thaw()
	rec.await(t, "the new history", func() bool { return slices.Contains(rec.firstColumns(), "13") })
	exec(t, direct, `insert into t values (14)`)
	rec.await(t, "the new history", func() bool { return slices.Contains(rec.firstColumns(), "14") })
	rec.mu.Lock()
	defer rec.mu.Unlock()
	if len(rec.gaps) != 1 || !rec.gaps[0].Reload || !rec.gaps[0].Since.Equal(last.CommitTime) {
		t.Errorf("gaps %+v, want one since %v, with everything to be loaded again", rec.gaps, last.CommitTime)
	}
}
