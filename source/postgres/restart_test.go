package postgres_test

import (
	"context"
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"chatbridge/internal/throwaway"
	"chatbridge/internal/throwaway/pgtest"
	"chatbridge/source/postgres"

	"github.com/jackc/pgx/v5"
)

// writer inserts the ids 1, 2, 3 … one after the other, a few per
// transaction, through restarts of the server: after a failure it inserts
// again what it does not find. So ids are committed in order, each once.
type writer struct {
	done atomic.Int64 // the last id that is committed for sure
	stop chan struct{}
	wg   sync.WaitGroup
	once sync.Once
}

func write(t testing.TB, url string) *writer {
	w := &writer{stop: make(chan struct{})}
	ctx := context.WithoutCancel(t.Context())
	w.wg.Go(func() {
		var conn *pgx.Conn
		defer func() {
			if conn != nil {
				conn.Close(ctx)
			}
		}()
		for {
			select {
			case <-w.stop:
				return
			default:
			}
			if conn == nil || conn.IsClosed() {
				var err error
				if conn, err = pgx.Connect(ctx, url); err != nil {
					conn = nil
					time.Sleep(5 * time.Millisecond)
					continue
				}
			}
			first := w.done.Load() + 1
			last := first + first%4
			_, err := conn.Exec(ctx, `insert into t select i, repeat('x', 200) from generate_series($1::int, $2::int) i on conflict do nothing`, first, last)
			if err == nil {
				w.done.Store(last)
			}
		}
	})
	t.Cleanup(func() { w.end() })
	return w
}

// end stops the writer and returns the last id.
func (w *writer) end() int {
	w.once.Do(func() { close(w.stop) })
	w.wg.Wait()
	return int(w.done.Load())
}

// checkIDs expects the ids 1 … n, each once and in order.
func checkIDs(t testing.TB, rec *recorder, n int) {
	t.Helper()
	rec.awaitRows(t, n)
	rec.mu.Lock()
	defer rec.mu.Unlock()
	ids := rec.firstColumns()
	if len(ids) != n {
		t.Errorf("%d rows, want %d", len(ids), n)
	}
	for i, id := range ids {
		if id != strconv.Itoa(i+1) {
			t.Fatalf("row %d has id %s: lost, repeated or out of order", i+1, id)
		}
	}
	if len(rec.gaps) > 0 {
		t.Errorf("gaps: %+v", rec.gaps)
	}
}

// TestRestartsUnderLoad stops the server in every way while rows are written.
func TestRestartsUnderLoad(t *testing.T) {
	t.Parallel()
	c := pgtest.Cluster(t, throwaway.Options{TCP: true})
	url := pgtest.On(t, c, simple)
	src, rec := start(t, postgres.Options{URL: url, Retain: time.Minute})
	w := write(t, url)
	more := func(what string) {
		t.Helper()
		rec.mu.Lock()
		n := len(rec.firstColumns())
		rec.mu.Unlock()
		rec.await(t, "rows after "+what, func() bool { return len(rec.firstColumns()) > n+200 })
	}
	more("the start")
	for _, mode := range []string{"fast", "immediate", "fast"} {
		if err := c.Restart(t.Context(), mode); err != nil {
			t.Fatal(err)
		}
		more("a " + mode + " restart")
	}
	c.Kill()
	if err := c.StartAgain(t.Context()); err != nil {
		t.Fatal(err)
	}
	more("a kill")
	for range 3 {
		before := src.Stats().Reconnects
		src.awaitStats(t, "the end of its server process", func(s postgres.Stats) bool {
			exec(t, url, `select pg_terminate_backend(active_pid) from pg_replication_slots where active`)
			return s.Reconnects > before
		})
		more("the end of its server process")
	}
	checkIDs(t, rec, w.end())
	if n := src.Stats().Reconnects; n < 7 {
		t.Errorf("%d reconnects, want at least 7", n)
	}
	t.Logf("%d rows, %d reconnects", w.done.Load(), src.Stats().Reconnects)
}

// TestShutdownIsNotHeldUp: a server that shuts down waits until its readers
// have confirmed all, and the retained time is not confirmed. It must be
// there afterwards, for a bridge that starts anew.
func TestShutdownIsNotHeldUp(t *testing.T) {
	t.Parallel()
	for _, retain := range []time.Duration{0, time.Hour} {
		t.Run(fmt.Sprint(retain), func(t *testing.T) {
			t.Parallel()
			c := pgtest.Cluster(t, throwaway.Options{TCP: true})
			url := pgtest.On(t, c, simple)
			opts := postgres.Options{URL: url, Retain: retain, Slot: uniqueSlot(t)}
			src, rec := start(t, opts)
			exec(t, url, `insert into t values (1, 'a')`)
			rec.awaitRows(t, 1)
			began := time.Now()
			ctx, cancel := context.WithTimeout(t.Context(), waitLimit)
			defer cancel()
			if err := c.Halt(ctx, "fast"); err != nil {
				t.Fatal("the server waits for the bridge:", err)
			}
			t.Logf("stopped after %v", time.Since(began))
			src.awaitState(t, postgres.Retrying)
			if err := c.StartAgain(t.Context()); err != nil {
				t.Fatal(err)
			}
			exec(t, url, `insert into t values (2, 'b')`)
			checkIDs(t, rec, 2)
			if retain == 0 {
				return
			}
			_ = src.stop()
			_, rec = start(t, opts)
			exec(t, url, `insert into t values (3, 'c')`)
			checkIDs(t, rec, 3)
		})
	}
}

func TestLargeTransactionInBoundedMemory(t *testing.T) {
	t.Parallel()
	url := pgtest.DB(t, simple)
	src, rec := start(t, postgres.Options{URL: url})
	var rows atomic.Int64
	var most atomic.Uint64
	count := &counting{rows: &rows, most: &most, commits: make(chan int64, 10)}
	_ = src.stop()
	_ = rec
	counted := run(t, postgres.Options{URL: url, Slot: uniqueSlot(t)}, count)
	counted.awaitState(t, postgres.Streaming)
	const n = 100_000
	exec(t, url, fmt.Sprintf(`insert into t select i, repeat('x', 500) from generate_series(1, %d) i`, n))
	select {
	case got := <-count.commits:
		if got != n {
			t.Errorf("%d rows, want %d", got, n)
		}
	case <-time.After(waitLimit):
		t.Fatal("no commit")
	}
	// 50 MB of values passed; what is alive is to be far less.
	if got := most.Load() >> 20; got > 32 {
		t.Errorf("%d MiB alive", got)
	} else {
		t.Logf("%d MiB alive at most", got)
	}
}
