package reconcile

import (
	"slices"
	"sync"

	"chatbridge/source"
)

// Ledger is what was published of one table: a sketch per row, bounded in
// number. Who publishes writes it, who compares reads it. Its methods may be
// called from any goroutine.
type Ledger struct {
	mu   sync.Mutex
	rows map[string]*Entry
	max  int
	// floor is the time before which rows were given up to keep the bound,
	// in microseconds; scans must not go below it.
	floor   int64
	evicted uint64
}

// Entry is the last known state of one row.
type Entry struct {
	Sketch
	// Seq is the publication that wrote it. Publications are numbered in their order.
	Seq uint64
	// AsOf is a time, on the database's clock in microseconds, before which
	// every commit is contained in the entry: it was read back after it. 0
	// where it came from the stream.
	AsOf    int64
	Deleted bool
}

// NewLedger returns one of at most maxRows rows.
func NewLedger(maxRows int) *Ledger {
	return &Ledger{rows: make(map[string]*Entry), max: maxRows}
}

// Verdict is what comparing a sketch with the ledger gives.
type Verdict uint8

const (
	// Same: the row is as it was published.
	Same Verdict = iota
	// Unknown: nothing was published of the row, or that it was deleted.
	Unknown
	// Changed: it was published otherwise.
	Changed
)

// Compare tells how the row read differs from what was published, and which
// publication that was.
func (l *Ledger) Compare(s *Sketch) (Verdict, uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	e := l.rows[s.ID()]
	switch {
	case e == nil:
		return Unknown, 0
	case e.Deleted:
		return Unknown, e.Seq
	case e.Same(s):
		return Same, e.Seq
	}
	return Changed, e.Seq
}

// Same reports whether the times of update and the watched columns are equal.
// A watched column that the stream did not send is not known to be.
func (e *Entry) Same(s *Sketch) bool {
	return e.Updated == s.Updated && slices.Equal(e.Watch, s.Watch)
}

// Get returns a copy of the row's entry.
func (l *Ledger) Get(id string) (Entry, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if e := l.rows[id]; e != nil {
		return *e, true
	}
	return Entry{}, false
}

// Record writes the row's state. Columns that a streamed change did not carry
// keep the value they had.
func (l *Ledger) Record(s Sketch, seq uint64, asOf int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	id := s.ID()
	if old := l.rows[id]; old != nil {
		for i := range s.Watch {
			if k := s.Watch[i].Kind; (k == source.Unchanged || k == source.Absent) && i < len(old.Watch) {
				s.Watch[i] = old.Watch[i]
			}
		}
	}
	s.Workspace, s.Conversation = "", ""
	l.rows[id] = &Entry{Sketch: s, Seq: seq, AsOf: asOf}
	if len(l.rows) > l.max {
		l.evict()
	}
}

// Remove notes that the row was deleted, so that a copy of it that was read
// before is not taken for a new row.
func (l *Ledger) Remove(s Sketch, seq uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if old := l.rows[s.ID()]; old != nil {
		s.At = max(s.At, old.At)
	}
	s.Workspace, s.Conversation = "", ""
	l.rows[s.ID()] = &Entry{Sketch: s, Seq: seq, Deleted: true}
}

// Forget drops rows that are no longer in the database.
func (l *Ledger) Forget(id string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.rows, id)
}

// Prune drops the rows whose last time is before the given one.
func (l *Ledger) Prune(before int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for id, e := range l.rows {
		if e.At < before {
			delete(l.rows, id)
		}
	}
}

// evict drops the oldest tenth and raises the floor. mu is held.
func (l *Ledger) evict() {
	times := make([]int64, 0, len(l.rows))
	for _, e := range l.rows {
		times = append(times, e.At)
	}
	slices.Sort(times)
	cut := times[len(times)/10] + 1
	for id, e := range l.rows {
		if e.At < cut {
			delete(l.rows, id)
			l.evicted++
		}
	}
	l.floor = max(l.floor, cut)
}

// Size returns the number of rows, the floor and how many were evicted.
func (l *Ledger) Size() (rows int, floor int64, evicted uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.rows), l.floor, l.evicted
}

// Clear forgets all rows.
func (l *Ledger) Clear() {
	l.mu.Lock()
	defer l.mu.Unlock()
	clear(l.rows)
}
