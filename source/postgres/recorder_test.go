package postgres_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"chatbridge/internal/throwaway/pgtest"
	"chatbridge/source"
	"chatbridge/source/postgres"

	"github.com/jackc/pgx/v5"
)

// waitLimit bounds every wait for an event; none is expected to take it.
const waitLimit = 30 * time.Second

// event is one call of a handler, copied.
type event struct {
	kind string // begin, commit, gap, or the operation
	tx   source.Tx
	rel  *source.Relation
	new  []string
	old  []string
}

// recorder is a handler that keeps what it gets. Rows of committed
// transactions are in rows; a transaction that was cut short is dropped when
// its Begin comes again.
type recorder struct {
	mu      sync.Mutex
	events  []event // since the last Begin, if no Commit came yet, else nil
	txs     [][]event
	gaps    []source.Gap
	changed chan struct{} // closed and replaced at each change

	// before is called first in each method, outside of the lock.
	before func(kind string) error
}

func newRecorder() *recorder { return &recorder{changed: make(chan struct{})} }

func (r *recorder) hook(kind string) error {
	r.mu.Lock()
	f := r.before
	r.mu.Unlock()
	if f != nil {
		return f(kind)
	}
	return nil
}

func (r *recorder) setBefore(f func(kind string) error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.before = f
}

func (r *recorder) note() {
	close(r.changed)
	r.changed = make(chan struct{})
}

func (r *recorder) Begin(tx source.Tx) error {
	if err := r.hook("begin"); err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.events = []event{{kind: "begin", tx: tx}}
	r.note()
	return nil
}

func (r *recorder) Change(c *source.Change) error {
	if err := r.hook("change"); err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.events = append(r.events, event{kind: c.Op.String(), rel: c.Relation, new: texts(c.New), old: texts(c.Old)})
	return nil
}

func (r *recorder) Commit(tx source.Tx) error {
	if err := r.hook("commit"); err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.txs = append(r.txs, append(r.events, event{kind: "commit", tx: tx}))
	r.events = nil
	r.note()
	return nil
}

func (r *recorder) Gap(g source.Gap) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.gaps = append(r.gaps, g)
	r.note()
	return nil
}

// texts prints a row: nil for no row, "-" for absent, "∅" for NULL, "~" for
// unchanged.
func texts(row source.Row) []string {
	if row == nil {
		return nil
	}
	s := make([]string, len(row))
	for i, v := range row {
		switch v.Kind {
		case source.Absent:
			s[i] = "-"
		case source.Null:
			s[i] = "∅"
		case source.Unchanged:
			s[i] = "~"
		case source.Text:
			s[i] = string(v.Data)
		}
	}
	return s
}

// await waits until ok, which is called with the lock held, returns true.
func (r *recorder) await(t testing.TB, what string, ok func() bool) {
	t.Helper()
	timeout := time.After(waitLimit)
	for {
		r.mu.Lock()
		done, changed := ok(), r.changed
		r.mu.Unlock()
		if done {
			return
		}
		select {
		case <-changed:
		case <-timeout:
			r.mu.Lock()
			defer r.mu.Unlock()
			t.Fatalf("waited %v for %s; have %d transactions, gaps %v", waitLimit, what, len(r.txs), r.gaps)
		}
	}
}

// firstColumns returns the first column of every row of the committed
// transactions, in order. The lock must be held.
func (r *recorder) firstColumns() []string {
	var ids []string
	for _, tx := range r.txs {
		for _, e := range tx {
			switch {
			case e.new != nil:
				ids = append(ids, e.new[0])
			case e.old != nil:
				ids = append(ids, e.old[0])
			}
		}
	}
	return ids
}

func (r *recorder) awaitRows(t testing.TB, n int) {
	t.Helper()
	r.await(t, fmt.Sprintf("%d rows", n), func() bool { return len(r.firstColumns()) >= n })
}

// rows prints the changes of the committed transactions.
func (r *recorder) rows() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	var out []string
	for _, tx := range r.txs {
		for _, e := range tx {
			if e.kind == "begin" || e.kind == "commit" {
				continue
			}
			s := e.kind
			if e.new != nil {
				s += " " + strings.Join(e.new, "|")
			}
			if e.old != nil {
				s += " old " + strings.Join(e.old, "|")
			}
			out = append(out, s)
		}
	}
	return out
}

// running is a source that runs until the test ends or stop is called.
type running struct {
	*postgres.Source
	stop func() error // ends Run and returns its error
	done chan struct{}
	log  *lockedBuffer
}

// run runs a source with short intervals. Its log is printed when the test
// fails.
func run(t testing.TB, opts postgres.Options, h source.Handler) *running {
	t.Helper()
	var log lockedBuffer
	opts.Logger = slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	def := func(d *time.Duration, v time.Duration) {
		if *d == 0 {
			*d = v
		}
	}
	def(&opts.MinRetry, 20*time.Millisecond)
	def(&opts.MaxRetry, 200*time.Millisecond)
	def(&opts.SlowRetry, 100*time.Millisecond)
	def(&opts.StandbyPoll, 50*time.Millisecond)
	def(&opts.Watch, 100*time.Millisecond)
	s, err := postgres.New(opts)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	r := &running{Source: s, done: make(chan struct{}), log: &log}
	var result error
	go func() {
		defer close(r.done)
		result = s.Run(ctx, h)
	}()
	r.stop = func() error {
		cancel()
		select {
		case <-r.done:
			return result
		case <-time.After(waitLimit):
			t.Error("Run did not return")
			return nil
		}
	}
	t.Cleanup(func() {
		_ = r.stop()
		if t.Failed() {
			t.Logf("the source's log:\n%s", log.String())
		}
	})
	return r
}

// awaitState waits for a state; there is no event for it, so it looks often.
func (r *running) awaitState(t testing.TB, want ...postgres.State) postgres.Stats {
	t.Helper()
	return r.awaitStats(t, fmt.Sprint("state ", want), func(s postgres.Stats) bool { return slices.Contains(want, s.State) })
}

func (r *running) awaitStats(t testing.TB, what string, ok func(postgres.Stats) bool) postgres.Stats {
	t.Helper()
	for deadline := time.Now().Add(waitLimit); ; time.Sleep(2 * time.Millisecond) {
		s := r.Stats()
		if ok(s) {
			return s
		}
		if time.Now().After(deadline) {
			t.Fatalf("waited %v for %s; have %+v, last error %+v", waitLimit, what, s, s.LastError)
		}
	}
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// exec runs SQL on a connection of its own.
func exec(t testing.TB, url string, sql ...string) {
	t.Helper()
	if err := pgtest.Exec(context.WithoutCancel(t.Context()), url, sql...); err != nil {
		t.Fatal(err)
	}
}

// query returns the first column of the first row as text.
func query(t testing.TB, url, sql string, args ...any) string {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.WithoutCancel(t.Context()))
	var s *string
	if err := conn.QueryRow(t.Context(), sql, args...).Scan(&s); err != nil {
		t.Fatal(err)
	}
	if s == nil {
		return ""
	}
	return *s
}

// uniqueSlot returns a slot name for this test: slots belong to the cluster.
func uniqueSlot(t testing.TB) string {
	var b strings.Builder
	for _, c := range strings.ToLower(t.Name()) {
		if c >= 'a' && c <= 'z' || c >= '0' && c <= '9' {
			b.WriteRune(c)
		} else {
			b.WriteByte('_')
		}
	}
	s := b.String()
	return s[max(0, len(s)-60):]
}

var errHandler = errors.New("the handler's error")
