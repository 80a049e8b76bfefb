package histogram

import (
	"math"
	"sync/atomic"
	"time"
)

// Histogram counts durations, from any goroutines.
type Histogram struct {
	layout *Layout
	cells  []atomic.Uint64
	sum    atomic.Int64
}

// New returns an empty Histogram.
func New(l *Layout) *Histogram { return &Histogram{layout: l, cells: make([]atomic.Uint64, l.Cells())} }

// Observe counts d; below zero it counts as zero.
func (h *Histogram) Observe(d time.Duration) {
	h.cells[h.layout.Cell(d)].Add(1)
	h.sum.Add(int64(max(d, 0)))
}

// Tally counts durations for one goroutine, which adds them to a Histogram now and then:
// to add each at once would cost more, where many goroutines do.
type Tally struct {
	layout    *Layout
	cells     []uint32
	low, high int // the cells in between are in use
	sum       time.Duration
}

// NewTally returns an empty Tally.
func NewTally(l *Layout) Tally {
	return Tally{layout: l, cells: make([]uint32, l.Cells()), low: l.Cells()}
}

// Observe counts d; below zero it counts as zero.
func (t *Tally) Observe(d time.Duration) {
	i := t.layout.Cell(d)
	t.cells[i]++
	t.low, t.high = min(t.low, i), max(t.high, i)
	t.sum += max(d, 0)
}

// AddTo adds what was counted to h, which has the same Layout, and empties t.
func (t *Tally) AddTo(h *Histogram) {
	for i := t.low; i <= t.high; i++ {
		if n := t.cells[i]; n > 0 {
			h.cells[i].Add(uint64(n))
			t.cells[i] = 0
		}
	}
	h.sum.Add(int64(t.sum))
	t.low, t.high, t.sum = len(t.cells), 0, 0
}

// Snapshot is what a Histogram had counted at one moment.
type Snapshot struct {
	// Bounds are the classic upper bounds; Counts has one more element, for what was
	// above the last.
	Bounds []time.Duration
	Counts []uint64
	Count  uint64
	Sum    time.Duration
	// Native is the same by buckets of Schema: Native[i] counts what was above
	// 2^((i-1)/8) s and not above 2^(i/8) s. Zero counts what was not above ZeroUpTo
	// seconds.
	Native   map[int]int64
	Zero     uint64
	ZeroUpTo float64
}

// Snapshot returns what was counted.
func (h *Histogram) Snapshot() Snapshot {
	l := h.layout
	s := Snapshot{
		Bounds: l.classic, Counts: make([]uint64, len(l.classic)+1), Sum: time.Duration(h.sum.Load()),
		Native: make(map[int]int64), ZeroUpTo: math.Exp2(float64(l.first) / perDoubling),
	}
	classic := 0
	for i := range h.cells {
		n := h.cells[i].Load()
		for i < len(l.bounds) && classic < len(l.classic) && l.bounds[i] > int64(l.classic[classic]) {
			classic++
		}
		if i == len(l.bounds) {
			classic = len(l.classic)
		}
		s.Counts[classic] += n
		s.Count += n
		switch bucket := l.native[i]; {
		case bucket == l.first:
			s.Zero += n
		case n > 0:
			s.Native[bucket] += int64(n)
		}
	}
	return s
}
