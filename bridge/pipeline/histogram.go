package pipeline

import (
	"sync/atomic"
	"time"
)

// delayBounds are the upper bounds of the commit-to-publish histogram: from
// the half millisecond that an idle machine needs to the minutes after an
// outage.
var delayBounds = [...]time.Duration{
	500 * time.Microsecond, time.Millisecond, 2500 * time.Microsecond, 5 * time.Millisecond, 10 * time.Millisecond,
	25 * time.Millisecond, 50 * time.Millisecond, 100 * time.Millisecond, 250 * time.Millisecond, 500 * time.Millisecond,
	time.Second, 2500 * time.Millisecond, 5 * time.Second, 10 * time.Second, 30 * time.Second, time.Minute, 5 * time.Minute,
}

// histogram counts durations by fixed bounds, without a lock: one writer, any
// readers.
type histogram struct {
	counts [len(delayBounds) + 1]atomic.Uint64
	sum    atomic.Int64
}

// observe counts d; below zero, as two clocks that differ may yield, it counts
// as zero.
func (h *histogram) observe(d time.Duration) {
	d = max(d, 0)
	i := 0
	for i < len(delayBounds) && d > delayBounds[i] {
		i++
	}
	h.counts[i].Add(1)
	h.sum.Add(int64(d))
}

// Histogram is a snapshot of durations counted by upper bound.
type Histogram struct {
	// Bounds are the upper bounds; Counts has one more element, for what was
	// above the last.
	Bounds []time.Duration
	Counts []uint64
	Count  uint64
	Sum    time.Duration
}

func (h *histogram) snapshot() Histogram {
	s := Histogram{Bounds: delayBounds[:], Counts: make([]uint64, len(h.counts)), Sum: time.Duration(h.sum.Load())}
	for i := range h.counts {
		s.Counts[i] = h.counts[i].Load()
		s.Count += s.Counts[i]
	}
	return s
}
