package realtime

import (
	"fmt"
	"testing"
	"time"

	"chatbridge/source"
)

func row(id string, at int64, status string) sketch {
	return sketch{key: []string{id}, at: at, created: at, watch: []watched{{source.Text, status}}}
}

func TestLedgerKeepsWithinItsBound(t *testing.T) {
	t.Parallel()
	l := newLedger(100)
	for i := range 1000 {
		l.record(row(fmt.Sprint(i), int64(i+1), "sent"), uint64(i), 0)
	}
	rows, floor, evicted := l.size()
	if rows > 100 || rows < 80 || uint64(rows)+evicted != 1000 {
		t.Errorf("%d rows, %d evicted", rows, evicted)
	}
	// The oldest went: what is left is exactly what is not below the floor.
	for i := range 1000 {
		s := row(fmt.Sprint(i), int64(i+1), "sent")
		v, _ := l.compare(&s)
		if (v == rowSame) != (s.at >= floor) {
			t.Fatalf("row %d at %d with the floor at %d: %d", i, s.at, floor, v)
		}
	}
	l.prune(990)
	if rows, _, _ = l.size(); rows != 11 {
		t.Errorf("%d rows after pruning, want 11", rows)
	}
}

func TestLedgerCompares(t *testing.T) {
	t.Parallel()
	l := newLedger(10)
	s := row("a", 5, "sent")
	if v, _ := l.compare(&s); v != rowUnknown {
		t.Error("an unknown row is known")
	}
	l.record(s, 1, 0)
	if v, seq := l.compare(&s); v != rowSame || seq != 1 {
		t.Error("a recorded row is not the same")
	}
	read := row("a", 5, "read")
	if v, _ := l.compare(&read); v != rowChanged {
		t.Error("another status is the same")
	}
	later := row("a", 5, "sent")
	later.updated = 7
	if v, _ := l.compare(&later); v != rowChanged {
		t.Error("another time of update is the same")
	}
	// What a change did not carry stays known.
	l.record(sketch{key: []string{"a"}, at: 5, created: 5, watch: []watched{{kind: source.Unchanged}}}, 2, 0)
	if v, _ := l.compare(&s); v != rowSame {
		t.Error("an unchanged column was forgotten")
	}
	l.remove(s, 3)
	if v, seq := l.compare(&s); v != rowUnknown || seq != 3 {
		t.Error("a deleted row is known")
	}
}

func TestClockBoundsWhatWasCommittedBefore(t *testing.T) {
	t.Parallel()
	c := newClock()
	if c.committedBefore(time.Second) != 0 {
		t.Error("a bound without a sample")
	}
	// The database's clock is 10 s behind; changes took 600, 40 and 300 ms.
	db := c.start.Add(-10 * time.Second)
	for i, latency := range []time.Duration{600, 40, 300} {
		at := time.Duration(i+1) * time.Second
		c.observe(db.Add(at), at+latency*time.Millisecond)
	}
	begin := 5 * time.Second
	got := time.UnixMicro(c.committedBefore(begin))
	truth := db.Add(begin)
	if got.After(truth) || truth.Sub(got) > 40*time.Millisecond+clockMargin+time.Millisecond {
		t.Errorf("the bound is %s before the truth", truth.Sub(got))
	}
	// Samples grow old, so that drift is followed.
	for i := range 3 {
		at := time.Duration(i+1) * (clockPeriod + time.Second)
		c.observe(db.Add(at).Add(-time.Second), at)
	}
	late := 4 * clockPeriod
	if got := time.UnixMicro(c.committedBefore(late)); db.Add(late).Add(-time.Second).Sub(got) > clockMargin+time.Millisecond {
		t.Errorf("old samples still count: %s", db.Add(late).Sub(got))
	}
}

func TestQueueIsBounded(t *testing.T) {
	t.Parallel()
	q := newQueue(3, 100)
	for i, want := range []bool{true, true, true, false} {
		if got := q.push(&change{size: 10}); got != want {
			t.Errorf("push %d: %t", i, got)
		}
	}
	if len(q.take()) != 3 || q.len() != 0 {
		t.Error("take")
	}
	if !q.push(&change{size: 1000}) || q.push(&change{size: 1}) {
		t.Error("one change over the bound goes alone")
	}
}
