package reconcile

import (
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"chatbridge/source"
	"chatbridge/source/readback"
)

// Table is a table that is compared: its shape, and what was published of it. Any
// goroutine may call its methods. shape is held while the ledger is cleared, and
// otherwise with no other mutex.
type Table struct {
	// Name is schema.name.
	Name   string
	Ledger *Ledger
	// Unreadable counts the rows that were left out because they cannot be read.
	Unreadable atomic.Uint64

	// shape guards what follows, which a stream's reader and a comparison both set.
	shape sync.Mutex
	conf  readback.Table
	// keyGiven tells that the configuration named the key.
	keyGiven  bool
	described bool
	rel       *source.Relation
	// restored is what an earlier process kept of the table, nil for nothing. since is
	// the time from which on every row that was published is in the ledger, in
	// microseconds, 0 for not known.
	restored *tableHeader
	since    int64
}

// NewTable returns the table, with a ledger of at most maxRows rows.
func NewTable(t readback.Table, maxRows int) *Table {
	tb := &Table{Name: t.String(), conf: t, keyGiven: len(t.Key) > 0, Ledger: NewLedger(maxRows)}
	if !tb.keyGiven {
		// Until Describe returns the primary key.
		tb.conf.Key = []string{"id"}
	}
	return tb
}

// Config returns the table's columns of interest as known now.
func (t *Table) Config() readback.Table {
	t.shape.Lock()
	defer t.shape.Unlock()
	return t.conf
}

// Relation returns the relation with these columns, of which only names and types
// count: the one that was handed out last where nothing changed.
func (t *Table) Relation(columns []source.Column) *source.Relation {
	t.shape.Lock()
	defer t.shape.Unlock()
	if t.rel == nil || !slices.EqualFunc(t.rel.Columns, columns, func(a, b source.Column) bool { return a.Name == b.Name && a.Type == b.Type }) {
		t.setRelation(slices.Clone(columns))
	}
	return t.rel
}

// IsDescribed reports whether a Reader returned the columns.
func (t *Table) IsDescribed() bool {
	t.shape.Lock()
	defer t.shape.Unlock()
	return t.described
}

// SetShape sets what a Reader returned for the table. It reports false where the
// table has no column to find changes by.
func (t *Table) SetShape(s readback.Shape) bool {
	t.shape.Lock()
	defer t.shape.Unlock()
	if key := s.Key(); !t.keyGiven && len(key) > 0 && !slices.Equal(key, t.conf.Key) {
		t.conf.Key = key
		t.Ledger.Clear()
	}
	if !t.described {
		t.assumeColumns(s)
	}
	t.described = len(s.Columns) > 0
	for _, c := range []*string{&t.conf.Workspace, &t.conf.Conversation} {
		if t.described && !s.Has(*c) {
			*c = ""
		}
	}
	if t.described && t.restored != nil && t.restored.Shape != t.shapeText() && t.since == t.restored.Since {
		t.Ledger.Clear()
		t.since = 0
	}
	known := t.rel != nil && sameNames(t.rel.Columns, s.Columns)
	if len(s.Columns) > 0 && !known {
		t.setRelation(slices.Clone(s.Columns))
	}
	return t.conf.Created != "" || t.conf.Updated != ""
}

// shapeText names the columns of which sketches are made. shape is held.
func (t *Table) shapeText() string {
	return strings.Join([]string{strings.Join(t.conf.Key, ","), t.conf.Created, t.conf.Updated, strings.Join(t.conf.Watch, ",")}, ";")
}

// restore takes what an earlier process kept of the table.
func (t *Table) restore(h tableHeader, rows []keptRow, again int64) {
	t.shape.Lock()
	t.restored, t.since = &h, h.Since
	t.shape.Unlock()
	t.Ledger.restore(rows, again)
}

// isRestored reports whether an earlier process kept something of the table.
func (t *Table) isRestored() bool {
	t.shape.Lock()
	defer t.shape.Unlock()
	return t.restored != nil
}

// otherShape reports whether what was kept of the table could not be used because of
// its columns.
func (t *Table) otherShape() bool {
	t.shape.Lock()
	defer t.shape.Unlock()
	return t.described && t.restored != nil && t.restored.Shape != t.shapeText()
}

// header is what is kept of the table beside its rows.
func (t *Table) header() tableHeader {
	t.shape.Lock()
	defer t.shape.Unlock()
	if !t.described && t.restored != nil {
		return *t.restored
	}
	return tableHeader{Shape: t.shapeText(), Since: t.since}
}

// Since is the time from which on every row that was published is remembered, zero
// where that is not known. An unknown row from later was never published.
func (t *Table) Since() time.Time {
	t.shape.Lock()
	defer t.shape.Unlock()
	if t.since == 0 {
		return time.Time{}
	}
	return time.UnixMicro(t.since)
}

// RememberedSince notes that every row since a time is in the ledger.
func (t *Table) RememberedSince(since time.Time) {
	t.shape.Lock()
	defer t.shape.Unlock()
	t.since = since.UnixMicro()
}

// CustomaryWatch are short columns that are filled in or changed after the insert. It
// is never changed.
var CustomaryWatch = []string{"status", "external_id", "external_message_id", "media_url", "media_path"}

// assumeColumns fills in the columns that the configuration left open by their
// customary names.
func (t *Table) assumeColumns(s readback.Shape) {
	if t.conf.Created == "" && t.conf.Updated == "" {
		if s.Has("created_at") {
			t.conf.Created = "created_at"
		}
		if s.Has("updated_at") {
			t.conf.Updated = "updated_at"
		}
	}
	if t.conf.Watch == nil {
		for _, c := range CustomaryWatch {
			if s.Has(c) {
				t.conf.Watch = append(t.conf.Watch, c)
			}
		}
	}
}

// setRelation makes cols the table's relation. shape is held. The replica
// identity is always given as the default: Realtime does not tell it, a full
// old row may miss columns all the same (error 413, a delete under row level
// security), and of rows that were read back only little of the old one is
// known. What there is of an old row is sent along nevertheless.
func (t *Table) setRelation(cols []source.Column) {
	for i := range cols {
		cols[i].Key = slices.Contains(t.conf.Key, cols[i].Name)
	}
	t.rel = &source.Relation{Schema: t.conf.Schema, Name: t.conf.Name, Identity: source.IdentityDefault, Columns: cols}
}

// Current returns the newest relation, nil while none is known.
func (t *Table) Current() *source.Relation {
	t.shape.Lock()
	defer t.shape.Unlock()
	return t.rel
}

// matches reports whether a row read from the database has exactly the
// relation's columns.
func matches(rel *source.Relation, row readback.Row) bool {
	if rel == nil || len(rel.Columns) != len(row) {
		return false
	}
	for i := range rel.Columns {
		if _, ok := row[rel.Columns[i].Name]; !ok {
			return false
		}
	}
	return true
}

// ColumnIndex is the column's place in the relation, -1 where it has none.
func ColumnIndex(rel *source.Relation, name string) int {
	return slices.IndexFunc(rel.Columns, func(c source.Column) bool { return c.Name == name })
}

func sameNames(a, b []source.Column) bool {
	return slices.EqualFunc(a, b, func(a, b source.Column) bool { return a.Name == b.Name })
}
