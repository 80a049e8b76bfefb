package reconcile_test

import (
	"fmt"
	"testing"

	"chatbridge/source"
	"chatbridge/source/reconcile"
)

func row(id string, at int64, status string) reconcile.Sketch {
	return reconcile.Sketch{Key: []string{id}, At: at, Created: at, Watch: []reconcile.Watched{{Kind: source.Text, Text: status}}}
}

func TestLedgerKeepsWithinItsBound(t *testing.T) {
	t.Parallel()
	l := reconcile.NewLedger(100)
	for i := range 1000 {
		l.Record(row(fmt.Sprint(i), int64(i+1), "sent"), uint64(i), 0)
	}
	rows, floor, evicted := l.Size()
	if rows > 100 || rows < 80 || uint64(rows)+evicted != 1000 {
		t.Errorf("%d rows, %d evicted", rows, evicted)
	}
	// The oldest went: what is left is exactly what is not below the floor.
	for i := range 1000 {
		s := row(fmt.Sprint(i), int64(i+1), "sent")
		v, _ := l.Compare(&s)
		if (v == reconcile.Same) != (s.At >= floor) {
			t.Fatalf("row %d at %d with the floor at %d: %d", i, s.At, floor, v)
		}
	}
	l.Prune(990)
	if rows, _, _ = l.Size(); rows != 11 {
		t.Errorf("%d rows after pruning, want 11", rows)
	}
}

func TestLedgerCompares(t *testing.T) {
	t.Parallel()
	l := reconcile.NewLedger(10)
	s := row("a", 5, "sent")
	if v, _ := l.Compare(&s); v != reconcile.Unknown {
		t.Error("an unknown row is known")
	}
	l.Record(s, 1, 0)
	if v, seq := l.Compare(&s); v != reconcile.Same || seq != 1 {
		t.Error("a recorded row is not the same")
	}
	read := row("a", 5, "read")
	if v, _ := l.Compare(&read); v != reconcile.Changed {
		t.Error("another status is the same")
	}
	later := row("a", 5, "sent")
	later.Updated = 7
	if v, _ := l.Compare(&later); v != reconcile.Changed {
		t.Error("another time of update is the same")
	}
	// What a change did not carry stays known.
	l.Record(reconcile.Sketch{Key: []string{"a"}, At: 5, Created: 5, Watch: []reconcile.Watched{{Kind: source.Unchanged}}}, 2, 0)
	if v, _ := l.Compare(&s); v != reconcile.Same {
		t.Error("an unchanged column was forgotten")
	}
	l.Remove(s, 3)
	if v, seq := l.Compare(&s); v != reconcile.Unknown || seq != 3 {
		t.Error("a deleted row is known")
	}
}

// TestAStatusWithoutATimeIsFound: it changed, and its time of update did not.
func TestAStatusWithoutATimeIsFound(t *testing.T) {
	l := reconcile.NewLedger(10)
	s := row("a", 5, "sent")
	s.Updated = 5
	l.Record(s, 1, 0)
	read := row("a", 5, "read")
	read.Updated = 5
	if v, _ := l.Compare(&read); v != reconcile.Changed {
		t.Error("another status with the time of update that was known is the same")
	}
}
