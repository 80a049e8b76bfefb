package repair

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"chatbridge/source/ledgerfile"
	"chatbridge/source/reconcile"
)

// Keep fills what is remembered with what the file of an earlier process has, and has it
// written until what it returns is called. Clients may not have received what was
// published within replay before that process's end: it compares as changed. The names
// in the file's Options are those of Options.Tables, in their order. It is called before
// Handler.
func (r *Repair) Keep(ctx context.Context, f *ledgerfile.File, replay time.Duration) (stop func()) {
	for i, t := range r.tables {
		t.digests.Keep(func(key string) { f.Mark(i, key) }, f.MarkAll)
	}
	loaded, last := map[string][]reconcile.KeptDigest{}, int64(0)
	found := f.Load(ctx, func(table, key string, row []byte) {
		if k, ok := reconcile.ReadDigest(key, row); ok {
			loaded[table] = append(loaded[table], k)
			last = max(last, k.Published())
		}
	})
	var headers map[string]header
	if found.Lost == "" && found.Header != nil {
		if json.Unmarshal(found.Header, &headers) != nil {
			headers = nil // not ours: nothing is restored
		}
	}
	for _, t := range r.tables {
		if h, ok := headers[t.name]; ok && h.Since > 0 && slices.Equal(h.Key, t.conf.Key) {
			t.setCompared(h.Watch, h.Updated)
			t.digests.Restore(loaded[t.name], h.Since, last-replay.Microseconds())
		}
	}
	return f.Start(ctx, keptRows{r})
}

// header is what is kept of a table beside its rows: of which columns the digests are
// made, and since when rows are known.
type header struct {
	Key     []string `json:"key"`
	Watch   []string `json:"watch"`
	Updated string   `json:"updated"`
	Since   int64    `json:"since"`
}

// keptRows is what is remembered as the file asks for it.
type keptRows struct{ r *Repair }

func (k keptRows) table(name string) *table {
	return k.r.tables[slices.IndexFunc(k.r.tables, func(t *table) bool { return t.name == name })]
}

// Keys implements ledgerfile.Rows.
func (k keptRows) Keys(table string, fn func(key string, at int64)) { k.table(table).digests.Keys(fn) }

// Row implements ledgerfile.Rows.
func (k keptRows) Row(dst []byte, table, key string) ([]byte, int64, bool) {
	return k.table(table).digests.Row(dst, key)
}

// Header implements ledgerfile.Rows.
func (k keptRows) Header(leftOut int64) []byte {
	headers := map[string]header{}
	for _, t := range k.r.tables {
		t.mu.Lock()
		h := header{Key: t.conf.Key, Watch: t.watch, Updated: t.updated}
		known := t.bound
		t.mu.Unlock()
		if h.Since = t.digests.KnownSince(); known && h.Since > 0 {
			h.Since = max(h.Since, leftOut)
			headers[t.name] = h
		}
	}
	text, err := json.Marshal(headers)
	if err != nil {
		panic(fmt.Sprintf("encode the ledger file's header: %v", err)) // it has strings and numbers
	}
	return text
}
