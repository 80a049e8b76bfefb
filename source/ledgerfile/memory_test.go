package ledgerfile

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// memory is Rows, as a source has them.
type memory struct {
	mu      sync.Mutex
	file    *File
	tables  []string
	rows    map[ref]memoryRow
	header  string
	leftOut int64
	// block, if set, is called in Row.
	block func()
}

type memoryRow struct {
	text string
	at   int64
}

func newMemory(tables ...string) *memory {
	return &memory{tables: tables, rows: map[ref]memoryRow{}, header: "none"}
}

func (m *memory) Keys(table string, fn func(key string, at int64)) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for r, row := range m.rows {
		if r.table == table {
			fn(r.key, row.at)
		}
	}
}

func (m *memory) Row(dst []byte, table, key string) ([]byte, int64, bool) {
	if m.block != nil {
		m.block()
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	row, ok := m.rows[ref{table, key}]
	return append(dst, row.text...), row.at, ok
}

func (m *memory) Header(leftOut int64) []byte {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.leftOut = leftOut
	return []byte(m.header)
}

// set changes a row and marks it.
func (m *memory) set(table int, key, text string, at int64) {
	m.mu.Lock()
	m.rows[ref{m.tables[table], key}] = memoryRow{text, at}
	m.file.Mark(table, key)
	m.mu.Unlock()
}

func (m *memory) drop(table int, key string) {
	m.mu.Lock()
	delete(m.rows, ref{m.tables[table], key})
	m.file.Mark(table, key)
	m.mu.Unlock()
}

func (m *memory) texts() map[ref]string {
	m.mu.Lock()
	defer m.mu.Unlock()
	out := map[ref]string{}
	for r, row := range m.rows {
		out[r] = row.text
	}
	return out
}

// options is for a file in a directory of its own.
func options(t testing.TB) Options {
	return Options{Path: filepath.Join(t.TempDir(), "ledger"), Identity: "a database", Tables: []string{"public.messages", "public.conversations"}, Interval: time.Millisecond}
}

// running is a File that writes.
type running struct {
	*File
	m *memory
	// stop ends Run, which has written everything then.
	stop func()
}

// run begins a File as a process does at its start, with what m has.
func run(t testing.TB, o Options, m *memory) *running {
	t.Helper()
	f := New(o)
	m.file = f
	f.Load(t.Context(), func(string, string, []byte) {})
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	done := make(chan struct{})
	go func() { defer close(done); f.Run(ctx, m) }()
	stop := sync.OnceFunc(func() { cancel(); <-done })
	t.Cleanup(stop)
	return &running{f, m, stop}
}

// load reads a file as the next process does.
func load(t testing.TB, o Options) (rows map[ref]string, l Loaded, f *File) {
	t.Helper()
	rows, f = map[ref]string{}, New(o)
	l = f.Load(t.Context(), func(table, key string, row []byte) { rows[ref{table, key}] = string(row) })
	f.end()
	return rows, l, f
}

func same(t testing.TB, got, want map[ref]string) {
	t.Helper()
	if maps.Equal(got, want) {
		return
	}
	t.Errorf("%d rows, want %d", len(got), len(want))
	for r, text := range want {
		if g, ok := got[r]; !ok || g != text {
			t.Fatalf("%v is %q (there: %t), want %q", r, g, ok, text)
		}
	}
}

// await polls what has no event.
func await(t testing.TB, what string, cond func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !cond(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("waited a minute for " + what)
		}
	}
}

// uuid is a key as most tables have them.
func uuid(r *rand.Rand) string {
	return fmt.Sprintf("%08x-%04x-4%03x-a%03x-%012x", r.Uint32(), r.Uint32N(1<<16), r.Uint32N(1<<12), r.Uint32N(1<<12), r.Uint64N(1<<48))
}

func random(seed uint64) *rand.Rand { return rand.New(rand.NewPCG(seed, 1)) }

func long(r *rand.Rand, most int) string {
	return strings.Repeat(string(rune('a'+r.IntN(26))), r.IntN(most))
}
