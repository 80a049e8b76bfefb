package repair_test

import (
	"context"
	"encoding/json"
	"fmt"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"chatbridge/source"
	"chatbridge/source/ledgerfile"
	"chatbridge/source/readback"
	"chatbridge/source/repair"
)

// keptTables is a Reader of one table without a time of update.
type keptTables struct{ rows map[string]keptRow }

type keptRow struct {
	status  string
	created time.Time
}

const keptTime = "2006-01-02T15:04:05.000000Z07:00"

func (d *keptTables) Describe(context.Context, readback.Table) (readback.Shape, error) {
	return readback.Shape{Columns: []source.Column{{Name: "id", Type: "text", Key: true}, {Name: "status", Type: "text"}, {Name: "created_at", Type: "timestamptz"}}}, nil
}

func (d *keptTables) read(id string) readback.Row {
	text := func(s string) json.RawMessage { return json.RawMessage(fmt.Sprintf("%q", s)) }
	r := d.rows[id]
	return readback.Row{"id": text(id), "status": text(r.status), "created_at": text(r.created.UTC().Format(keptTime))}
}

func (d *keptTables) Scan(_ context.Context, q readback.ScanRequest) (page readback.Page, err error) {
	for id, r := range d.rows {
		if q.After == nil && !r.created.Before(q.Since) {
			page.Rows = append(page.Rows, d.read(id))
		}
	}
	return page, nil
}

func (d *keptTables) Fetch(_ context.Context, _ readback.Table, keys [][]string) (rows []readback.Row, err error) {
	for _, k := range keys {
		rows = append(rows, d.read(k[0]))
	}
	return rows, nil
}

func (d *keptTables) Published(context.Context, string, readback.Table) (*readback.Published, error) {
	return &readback.Published{}, nil
}
func (d *keptTables) Reached(context.Context, uint64) (bool, error) { return true, nil }
func (d *keptTables) Close() error                                  { return nil }

// keptTaken is what a handler was given.
type keptTaken struct {
	changes []string
	gaps    []source.Gap
}

func (h *keptTaken) Begin(source.Tx) error  { return nil }
func (h *keptTaken) Commit(source.Tx) error { return nil }
func (h *keptTaken) Change(c *source.Change) error {
	h.changes = append(h.changes, fmt.Sprintf("%s %s %s", c.Op, c.New[0].Data, c.New[1].Data))
	return nil
}

func (h *keptTaken) Gap(g source.Gap) error {
	if !g.ReadBack {
		h.gaps = append(h.gaps, g)
	}
	return nil
}

var keptRelation = &source.Relation{Schema: "public", Name: "messages", Identity: source.IdentityFull, Columns: []source.Column{
	{Name: "id", Type: "text", Key: true}, {Name: "status", Type: "text"}, {Name: "created_at", Type: "timestamptz"},
}}

// TestRemembersOverARestart: of a gap in which no process ran, the statuses of messages
// that an earlier one published are found, and what it published right before its end is
// handed on again.
func TestRemembersOverARestart(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "ledger")
	db := &keptTables{rows: map[string]keptRow{}}
	begin := func(watch ...string) (*keptTaken, source.Handler, func()) {
		t.Helper()
		r, err := repair.New(repair.Options{
			Reader: db, Tables: []readback.Table{{Schema: "public", Name: "messages", Key: []string{"id"}, Watch: watch}},
			Margin: time.Second, Window: time.Hour,
		})
		if err != nil {
			t.Fatal(err)
		}
		h := new(keptTaken)
		f := ledgerfile.New(ledgerfile.Options{Path: path, Identity: "the database", Tables: []string{"public.messages"}})
		stop := r.Keep(t.Context(), f, time.Minute)
		return h, r.Handler(t.Context(), h), stop
	}
	commit := uint64(100)
	publish := func(h source.Handler, op source.Op, id, status string, created, at time.Time) {
		t.Helper()
		commit++
		tx := source.Tx{Commit: commit, Time: at}
		text := func(s string) source.Value { return source.Value{Kind: source.Text, Data: []byte(s)} }
		c := &source.Change{Op: op, Relation: keptRelation, New: source.Row{text(id), text(status), text(created.UTC().Format("2006-01-02 15:04:05.999999+00"))}}
		for _, err := range []error{h.Begin(tx), h.Change(c), h.Commit(tx)} {
			if err != nil {
				t.Fatal(err)
			}
		}
		db.rows[id] = keptRow{status, created}
	}
	now := time.Now()
	start := now.Add(-3 * time.Hour)
	old := now.Add(-50 * time.Minute)
	_, h, stop := begin()
	publish(h, source.Insert, "first", "sent", start, start)
	publish(h, source.Insert, "untouched", "sent", old, old)
	publish(h, source.Insert, "read meanwhile", "sent", old, old)
	publish(h, source.Insert, "read last", "sent", old, old)
	last := now.Add(-10 * time.Minute)
	publish(h, source.Update, "read last", "read", old, last.Add(-30*time.Second))
	publish(h, source.Insert, "inserted last", "sent", last, last)
	stop()

	db.rows["read meanwhile"] = keptRow{"read", old}
	gap := source.Gap{Reason: "a slot was dropped", Since: last, Until: now, After: commit, Resume: commit + 1<<20}
	got, h, stop := begin()
	if err := h.Gap(gap); err != nil {
		t.Fatal(err)
	}
	slices.Sort(got.changes)
	want := []string{"insert inserted last sent", "update inserted last sent", "update read last read", "update read meanwhile read"}
	if !slices.Equal(got.changes, want) || len(got.gaps) > 0 {
		t.Errorf("handed on %q, want %q; told of %v", got.changes, want, got.gaps)
	}
	stop()

	// Compared by other columns, it is worth nothing, and that is told.
	got, h, stop = begin("created_at")
	if err := h.Gap(gap); err != nil {
		t.Fatal(err)
	}
	if len(got.gaps) != 1 {
		t.Errorf("told of %v, handed on %q", got.gaps, got.changes)
	}
	stop()
}
