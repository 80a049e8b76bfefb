package reconcile

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"time"

	"chatbridge/source"
	"chatbridge/source/ledgerfile"
)

// Kept is the ledgers of some tables that are kept in a file over a restart. Load it
// before anything is recorded, and Start it then.
type Kept struct {
	file   *ledgerfile.File
	tables []*Table
	byName map[string]*Table
	replay time.Duration

	// mu guards what follows, and is held together with no other mutex.
	mu sync.Mutex
	// until is the time before which everything that was committed has been published,
	// on the database's clock in microseconds; 0 for not known.
	until int64
	// loaded is until as the file had it, again the time from which on what was
	// published is published again, 0 for not.
	loaded, again int64
	// lost is why the file, or a table's part of it, could not be used.
	lost []string
}

// Keep attaches a file to the ledgers of these tables: the names in its Options, in
// their order. now is the database's time. What was published for the last time within
// replay before the file's end is published again at the next start, as if it had
// changed, since clients may not have received it; 0 for what is published again
// otherwise.
func Keep(f *ledgerfile.File, tables []*Table, replay time.Duration, now func() time.Time) *Kept {
	k := &Kept{file: f, tables: tables, replay: replay, byName: map[string]*Table{}}
	for i, t := range tables {
		k.byName[t.Name] = t
		t.Ledger.keep(func(id string) { f.Mark(i, id) }, f.MarkAll, func() int64 { return now().UnixMicro() })
	}
	return k
}

// header is what the file has beside the rows.
type header struct {
	Until  int64                  `json:"until"`
	Tables map[string]tableHeader `json:"tables"`
}

type tableHeader struct {
	// Shape names the columns of which the sketches are made.
	Shape string `json:"shape"`
	// Since is the time from which on every row that was published is remembered.
	Since int64 `json:"since"`
}

// untilMargin covers that the database's time is known to about a second.
const untilMargin = 2 * time.Second

// Load fills the ledgers with what the file of an earlier process has. It does not
// fail: see Lost.
func (k *Kept) Load(ctx context.Context) {
	loaded := map[string][]keptRow{}
	found := k.file.Load(ctx, func(table, key string, row []byte) {
		if r, ok := decodeRow(key, row); ok {
			loaded[table] = append(loaded[table], r)
		}
	})
	var h header
	if found.Lost == "" && found.Header != nil {
		if err := json.Unmarshal(found.Header, &h); err != nil {
			found.Lost = "the ledger file's header cannot be read: " + err.Error()
		}
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if found.Lost != "" {
		k.lost = append(k.lost, found.Lost)
		return
	}
	k.until, k.loaded = h.Until, h.Until
	if k.replay > 0 {
		k.again = h.Until - (k.replay + untilMargin).Microseconds()
	}
	for name, th := range h.Tables {
		if t := k.byName[name]; t != nil {
			t.restore(th, loaded[name], k.again)
		}
	}
}

// Start has what is recorded written, until what it returns is called: see
// ledgerfile.File.
func (k *Kept) Start(ctx context.Context) (stop func()) { return k.file.Start(ctx, (*keptRows)(k)) }

// Published notes that everything that was committed before a time, on the database's
// clock, was published.
func (k *Kept) Published(before time.Time) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.until = max(k.until, before.Add(-untilMargin).UnixMicro())
}

// LastPublished is the time before which everything that was committed had been
// published when an earlier process ended; zero where that is not known.
func (k *Kept) LastPublished() time.Time {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.loaded == 0 {
		return time.Time{}
	}
	return time.UnixMicro(k.loaded).UTC()
}

// CompleteSince is the time from which on everything is published by this process, or was
// by one before and is again; zero where that is not known.
func (k *Kept) CompleteSince() time.Time {
	if k.Lost() != "" {
		return time.Time{}
	}
	for _, t := range k.tables {
		if !t.isRestored() {
			return time.Time{}
		}
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.again <= 0 {
		return time.Time{}
	}
	return time.UnixMicro(k.again)
}

// Lost says what an earlier process kept and cannot be used, so that what changed
// meanwhile cannot be told; empty for nothing. It is complete once the tables are
// described.
func (k *Kept) Lost() string {
	k.mu.Lock()
	lost := strings.Join(k.lost, "; ")
	k.mu.Unlock()
	for _, t := range k.tables {
		if t.otherShape() {
			lost = strings.TrimPrefix(lost+"; ", "; ") + "other columns of " + t.Name + " are compared than when the ledger file was written"
		}
	}
	return lost
}

// keptRows is the ledgers as the file asks for them.
type keptRows Kept

// Keys implements ledgerfile.Rows.
func (k *keptRows) Keys(table string, fn func(key string, at int64)) { k.byName[table].Ledger.keys(fn) }

// Row implements ledgerfile.Rows.
func (k *keptRows) Row(dst []byte, table, key string) ([]byte, int64, bool) {
	e, ok := k.byName[table].Ledger.Get(key)
	if !ok || e.Deleted {
		return dst, 0, false
	}
	return e.append(dst), e.At, true
}

// Header implements ledgerfile.Rows.
func (k *keptRows) Header(leftOut int64) []byte {
	k.mu.Lock()
	h := header{Until: k.until, Tables: map[string]tableHeader{}}
	k.mu.Unlock()
	for _, t := range k.tables {
		th := t.header()
		if _, floor, _ := t.Ledger.Size(); th.Since > 0 {
			th.Since = max(th.Since, floor, leftOut)
			h.Tables[t.Name] = th
		}
	}
	text, err := json.Marshal(h)
	if err != nil {
		panic(fmt.Sprintf("encode the ledger file's header: %v", err)) // it has strings and numbers
	}
	return text
}

// keptRow is a row as it was kept.
type keptRow struct {
	id string
	Entry
}

// append appends what is kept of an entry: its times, when it was published, and the
// watched columns.
func (e *Entry) append(dst []byte) []byte {
	dst = binary.AppendVarint(dst, e.Created)
	dst = binary.AppendVarint(dst, e.Updated)
	dst = binary.AppendVarint(dst, e.Published)
	for _, w := range e.Watch {
		dst = append(dst, byte(w.Kind))
		dst = binary.AppendUvarint(dst, uint64(len(w.Text)))
		dst = append(dst, w.Text...)
	}
	return dst
}

func decodeRow(id string, b []byte) (r keptRow, ok bool) {
	r.id, r.Key = id, strings.Split(id, "\x00")
	for _, to := range []*int64{&r.Created, &r.Updated, &r.Published} {
		v, n := binary.Varint(b)
		if n <= 0 {
			return r, false
		}
		*to, b = v, b[n:]
	}
	r.At = max(r.Created, r.Updated)
	for len(b) > 0 {
		kind := source.Kind(b[0])
		size, n := binary.Uvarint(b[1:])
		if n <= 0 || size > uint64(len(b)-1-n) {
			return r, false
		}
		b = b[1+n:]
		r.Watch = append(r.Watch, Watched{kind, string(b[:size])})
		b = b[size:]
	}
	return r, true
}
