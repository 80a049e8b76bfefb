package realtime

import (
	"slices"
	"sync"

	"chatbridge/source"
)

// ledger is what was published of one table: a sketch per row, bounded in
// number. The publisher writes it, the reconciler reads it.
type ledger struct {
	mu   sync.Mutex
	rows map[string]*entry
	max  int
	// floor is the time before which rows were given up to keep the bound,
	// in microseconds; scans must not go below it.
	floor   int64
	evicted uint64
}

// entry is the last known state of one row.
type entry struct {
	sketch
	// seq is the publication that wrote it: see Source.seq.
	seq uint64
	// asOf is a time, on the database's clock in microseconds, before which
	// every commit is contained in the entry: it was read back after it. 0
	// where it came from the stream.
	asOf    int64
	deleted bool
}

func newLedger(maxRows int) *ledger {
	return &ledger{rows: make(map[string]*entry), max: maxRows}
}

// verdict is what comparing a sketch with the ledger gives.
type verdict uint8

const (
	rowSame verdict = iota
	rowUnknown
	rowChanged
)

// compare tells how the row read differs from what was published, and which
// publication that was.
func (l *ledger) compare(s *sketch) (verdict, uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	e := l.rows[s.id()]
	switch {
	case e == nil:
		return rowUnknown, 0
	case e.deleted:
		return rowUnknown, e.seq
	case e.same(s):
		return rowSame, e.seq
	}
	return rowChanged, e.seq
}

// same reports whether the times of update and the watched columns are equal.
// A watched column that the stream did not send is not known to be.
func (e *entry) same(s *sketch) bool {
	return e.updated == s.updated && slices.Equal(e.watch, s.watch)
}

// get returns a copy of the row's entry.
func (l *ledger) get(id string) (entry, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if e := l.rows[id]; e != nil {
		return *e, true
	}
	return entry{}, false
}

// record writes the row's state. Columns that a streamed change did not carry
// keep the value they had.
func (l *ledger) record(s sketch, seq uint64, asOf int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	id := s.id()
	if old := l.rows[id]; old != nil {
		for i := range s.watch {
			if k := s.watch[i].kind; (k == source.Unchanged || k == source.Absent) && i < len(old.watch) {
				s.watch[i] = old.watch[i]
			}
		}
	}
	s.workspace, s.conversation = "", ""
	l.rows[id] = &entry{sketch: s, seq: seq, asOf: asOf}
	if len(l.rows) > l.max {
		l.evict()
	}
}

// remove notes that the row was deleted, so that a copy of it that was read
// before is not taken for a new row.
func (l *ledger) remove(s sketch, seq uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if old := l.rows[s.id()]; old != nil {
		s.at = max(s.at, old.at)
	}
	s.workspace, s.conversation = "", ""
	l.rows[s.id()] = &entry{sketch: s, seq: seq, deleted: true}
}

// forget drops rows that are no longer in the database.
func (l *ledger) forget(id string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.rows, id)
}

// prune drops the rows whose last time is before the given one.
func (l *ledger) prune(before int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for id, e := range l.rows {
		if e.at < before {
			delete(l.rows, id)
		}
	}
}

// evict drops the oldest tenth and raises the floor. mu is held.
func (l *ledger) evict() {
	times := make([]int64, 0, len(l.rows))
	for _, e := range l.rows {
		times = append(times, e.at)
	}
	slices.Sort(times)
	cut := times[len(times)/10] + 1
	for id, e := range l.rows {
		if e.at < cut {
			delete(l.rows, id)
			l.evicted++
		}
	}
	l.floor = max(l.floor, cut)
}

// size returns the number of rows, the floor and how many were evicted.
func (l *ledger) size() (rows int, floor int64, evicted uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.rows), l.floor, l.evicted
}

func (l *ledger) clear() {
	l.mu.Lock()
	defer l.mu.Unlock()
	clear(l.rows)
}
