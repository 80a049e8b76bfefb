package repair

import (
	"context"
	"slices"
	"sync"
	"time"

	"chatbridge/source"
	"chatbridge/source/readback"
	"chatbridge/source/reconcile"
)

// table is a table that is remembered. It belongs to the source's goroutine, but for
// digests.
type table struct {
	conf    readback.Table
	name    string
	digests *reconcile.Digests

	// rel is the relation that columns belongs to, conf the columns that watched was
	// made of.
	rel     *source.Relation
	columns reconcile.DigestColumns

	// mu guards the fields below: the table's goroutine alone writes them, others read.
	// bound: watch and updated are the columns that the digests are made of.
	mu      sync.Mutex
	bound   bool
	watch   []string
	updated string
}

// handler passes on what the source reads, and remembers it.
type handler struct {
	r    *Repair
	ctx  context.Context
	next source.Handler

	tx   source.Tx
	open bool
	// last is the Commit of the newest transaction that began.
	last uint64
	// relations are the tables of relations that came last.
	relations map[*source.Relation]*table
	latest    *source.Relation
	table     *table
	// pending are the rows of the open transaction: it counts once it is committed.
	pending []pendingRow
}

type pendingRow struct {
	t   *table
	key uint64
}

// Begin implements source.Handler.
func (h *handler) Begin(tx source.Tx) error {
	h.abandon()
	h.tx, h.open, h.last = tx, true, tx.Commit
	for _, t := range h.r.tables {
		if t.digests.KnownSince() == 0 {
			t.digests.KnowSince(tx.Time.UnixMicro())
		}
	}
	h.takenOver(tx.Time)
	return h.next.Begin(tx)
}

// takenOver notes what another process has published up to a time.
func (h *handler) takenOver(until time.Time) {
	if !h.r.takenOver {
		return
	}
	h.r.takenOver = false
	for _, t := range h.r.tables {
		t.digests.KnowSince(until.UnixMicro())
	}
}

// Change implements source.Handler.
func (h *handler) Change(c *source.Change) error {
	h.note(c)
	return h.next.Change(c)
}

// Commit implements source.Handler.
func (h *handler) Commit(tx source.Tx) error {
	if err := h.next.Commit(tx); err != nil {
		return err
	}
	h.open = false
	h.pending = h.pending[:0]
	if cap(h.pending) > keepPending {
		h.pending = nil
	}
	return nil
}

// keepPending is how many pending rows may stay allocated.
const keepPending = 1 << 16

// abandon forgets the rows of a transaction that was cut short: not all of their
// events may have been sent.
func (h *handler) abandon() {
	if !h.open {
		return
	}
	for _, p := range h.pending {
		p.t.digests.Drop(p.key)
	}
	h.open, h.pending = false, h.pending[:0]
}

// note remembers a change.
func (h *handler) note(c *source.Change) {
	t := h.tableOf(c.Relation)
	if t == nil {
		return
	}
	switch c.Op {
	case source.Insert, source.Update:
		key, ok := t.columns.KeyOf(c.New)
		if !ok {
			return
		}
		if c.Old != nil && keyDiffers(&t.columns, c.Old, c.New) {
			h.drop(t, c.Old)
		}
		t.digests.Put(key, t.columns.State(c.New), c.Op == source.Insert, h.tx.Time.UnixMicro())
		h.pending = append(h.pending, pendingRow{t, key})
	case source.Delete:
		h.drop(t, c.Old)
	}
}

func (h *handler) drop(t *table, old source.Row) {
	if key, ok := t.columns.KeyOf(old); ok {
		t.digests.Drop(key)
	}
}

func keyDiffers(c *reconcile.DigestColumns, a, b source.Row) bool {
	for _, i := range c.Key {
		if i < len(a) && i < len(b) && a[i].Kind == source.Text && string(a[i].Data) != string(b[i].Data) {
			return true
		}
	}
	return false
}

// tableOf returns the table of a relation, nil where it is not remembered.
func (h *handler) tableOf(rel *source.Relation) *table {
	if rel == h.latest {
		return h.table
	}
	t, known := h.relations[rel]
	if !known {
		if len(h.relations) > 100 { // each change of a table makes another
			clear(h.relations)
		}
		if i := slices.IndexFunc(h.r.tables, func(t *table) bool { return t.conf.Schema == rel.Schema && t.conf.Name == rel.Name }); i >= 0 {
			t = h.r.tables[i]
		}
		if h.relations == nil {
			h.relations = make(map[*source.Relation]*table)
		}
		h.relations[rel] = t
	}
	if t != nil && t.rel != rel {
		t.bind(rel)
	}
	h.latest, h.table = rel, t
	return t
}

// bind finds the columns in a relation.
func (t *table) bind(rel *source.Relation) {
	t.rel = rel
	names := make([]source.Column, len(rel.Columns))
	copy(names, rel.Columns)
	watch, updated := t.compared(readback.Shape{Columns: names})
	t.setCompared(watch, updated)
	t.columns = reconcile.DigestColumns{Updated: -1}
	if updated != "" {
		t.columns.Updated = reconcile.ColumnIndex(rel, updated)
	}
	for _, k := range t.conf.Key {
		if i := reconcile.ColumnIndex(rel, k); i >= 0 {
			t.columns.Key = append(t.columns.Key, i)
		}
	}
	if len(t.columns.Key) < len(t.conf.Key) {
		t.columns.Key = nil
	}
	for _, w := range watch {
		t.columns.Watch = append(t.columns.Watch, reconcile.ColumnIndex(rel, w))
	}
}

// compared returns the columns of a shape that are compared: the watched ones and the
// time of update.
func (t *table) compared(s readback.Shape) (watch []string, updated string) {
	for _, c := range slices.Concat(t.conf.Watch, reconcile.CustomaryWatch) {
		if s.Has(c) && !slices.Contains(watch, c) {
			watch = append(watch, c)
		}
	}
	slices.Sort(watch)
	switch {
	case t.conf.Updated != "" && s.Has(t.conf.Updated):
		updated = t.conf.Updated
	case s.Has(customaryUpdated):
		updated = customaryUpdated
	}
	return watch, updated
}

const (
	customaryCreated = "created_at"
	customaryUpdated = "updated_at"
)

// setCompared notes what is compared. Digests of other columns do not compare.
func (t *table) setCompared(watch []string, updated string) {
	same := slices.Equal(t.watch, watch) && t.updated == updated
	if t.bound && !same {
		t.digests.Clear()
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.bound, t.watch, t.updated = true, watch, updated
}
