package postgres_test

import (
	"context"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"chatbridge/internal/throwaway/pgtest"
	"chatbridge/source/postgres"

	"github.com/jackc/pgx/v5"
)

// shaped is an inspection whose shape is what is stored.
func shaped(shape *atomic.Int64) func(context.Context, *pgx.Conn) (postgres.Inspection, error) {
	return func(context.Context, *pgx.Conn) (postgres.Inspection, error) {
		return postgres.Inspection{Shape: postgres.Shape{"t": string(rune('a' + shape.Load()))}}, nil
	}
}

// TestGapAfterWhatIsReadAgain: what the slot retains of the time before a restart is
// older than a gap that the restart finds, so it comes first; and a bridge that starts
// after the gap does not take what lies before it for all that there was.
func TestGapAfterWhatIsReadAgain(t *testing.T) {
	t.Parallel()
	url := pgtest.DB(t, simple)
	var shape atomic.Int64
	opts := postgres.Options{
		URL: url, Retain: time.Hour, Watch: 20 * time.Millisecond, Ping: 50 * time.Millisecond,
		Memory: &memory{}, Inspect: shaped(&shape),
	}
	src, rec := start(t, opts)
	exec(t, url, `insert into t values (1)`, `insert into t values (2)`)
	rec.awaitRows(t, 2)
	second := rec.txs[1][0].tx.Commit
	_ = src.stop()

	shape.Add(1)
	src, rec = start(t, opts)
	rec.await(t, "the gap", func() bool { return len(rec.gaps) == 1 })
	rec.mu.Lock()
	ids, gap := strings.Join(rec.firstColumns(), " "), rec.gaps[0]
	rec.mu.Unlock()
	if ids != "1 2" || gap.After != second || gap.Resume <= second {
		t.Errorf("the gap %+v came after the rows %q; the second one's place is %d", gap, ids, second)
	}
	exec(t, url, `insert into t values (3)`)
	rec.awaitRows(t, 3)
	rec.mu.Lock()
	third := rec.txs[2][0].tx.Commit
	rec.mu.Unlock()
	if third < gap.Resume {
		t.Errorf("what follows is at %d, before %d", third, gap.Resume)
	}
	_ = src.stop()

	src, rec = start(t, opts)
	exec(t, url, `insert into t values (4)`)
	rec.awaitRows(t, 2)
	rec.mu.Lock()
	defer rec.mu.Unlock()
	if ids := strings.Join(rec.firstColumns(), " "); ids != "3 4" {
		t.Errorf("rows %q are read again, from before the gap", ids)
	}
	_ = src
}

// TestGapOutlivesItsStream: a gap that is found while the connection ends is reported by
// the next stream.
func TestGapOutlivesItsStream(t *testing.T) {
	t.Parallel()
	url := pgtest.DB(t, simple)
	var shape atomic.Int64
	goOn := make(chan struct{})
	opts := postgres.Options{URL: url, Watch: 20 * time.Millisecond, Ping: 50 * time.Millisecond}
	var inspected atomic.Int64
	opts.Inspect = func(ctx context.Context, conn *pgx.Conn) (postgres.Inspection, error) {
		defer inspected.Add(1)
		return shaped(&shape)(ctx, conn)
	}
	_, rec := start(t, opts)
	// The handler hangs in a transaction, which is cut short.
	hanging := make(chan struct{}, 10)
	rec.setBefore(func(kind string) error {
		if kind == "change" {
			select {
			case hanging <- struct{}{}:
			default:
			}
			<-goOn
		}
		return nil
	})
	exec(t, url, `insert into t select g, repeat('x', 1000) from generate_series(1, 20000) g`)
	<-hanging
	shape.Add(1)
	// The second inspection from now on began after that, the third after it was noted.
	for n := inspected.Load(); inspected.Load() < n+3; {
		time.Sleep(5 * time.Millisecond) // polls a count of the source's
	}
	exec(t, url, `select pg_terminate_backend(active_pid) from pg_replication_slots where slot_name = '`+uniqueSlot(t)+`'`)
	close(goOn)
	rec.await(t, "the gap", func() bool { return len(rec.gaps) == 1 })
}
