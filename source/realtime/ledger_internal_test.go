package realtime

import (
	"testing"
	"time"
)

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
