package reconcile_test

import (
	"encoding/json"
	"testing"

	"chatbridge/source"
	"chatbridge/source/readback"
	"chatbridge/source/reconcile"
)

// TestChangesOfARowPublishedAgain: they are compared with nothing, since clients may not
// have what the ledger has.
func TestChangesOfARowPublishedAgain(t *testing.T) {
	t.Parallel()
	tb := reconcile.NewTable(readback.Table{Schema: "public", Name: "messages", Key: []string{"id"}, Created: "created_at", Watch: []string{"status"}}, 10)
	r := reconcile.Row{
		Table: tb, Relation: tb.Relation([]source.Column{{Name: "id", Type: "text"}, {Name: "status", Type: "text"}}),
		Row: readback.Row{"id": json.RawMessage(`"a"`), "status": json.RawMessage(`"read"`)}, Sketch: row("a", 5, "read"),
	}
	for again, old := range map[bool]string{false: "sent", true: ""} {
		e := &reconcile.Entry{Sketch: row("a", 5, "sent"), Again: again}
		got := r.Changes(e, true, true)
		if len(got) != 1 || got[0].Op != source.Update {
			t.Fatalf("again %t: %v", again, got)
		}
		if has := got[0].Old; (has == nil) != again || has != nil && string(has[1].Data) != old {
			t.Errorf("again %t: the old row is %v", again, has)
		}
	}
}

// TestChangesAreLate: newer rows may have been published before what is read back.
func TestChangesAreLate(t *testing.T) {
	t.Parallel()
	tb := reconcile.NewTable(readback.Table{Schema: "public", Name: "messages", Key: []string{"id"}, Created: "created_at", Watch: []string{"status"}}, 10)
	r := reconcile.Row{
		Table: tb, Relation: tb.Relation([]source.Column{{Name: "id", Type: "text"}, {Name: "status", Type: "text"}}),
		Row: readback.Row{"id": json.RawMessage(`"a"`), "status": json.RawMessage(`"read"`)}, Sketch: row("a", 5, "read"),
	}
	changes := append(r.Changes(&reconcile.Entry{}, false, true), r.Changes(&reconcile.Entry{Sketch: row("a", 5, "sent")}, true, true)...)
	for _, c := range changes {
		if !c.Late {
			t.Errorf("the change %v is not late", c.Op)
		}
	}
	if len(changes) != 3 {
		t.Errorf("%d changes, want an update and an insert, and an update", len(changes))
	}
}
