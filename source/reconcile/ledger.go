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

	// What follows is nil unless the ledger is kept in a file. mark is told of each
	// row that changes, markAll that all may have; now is the database's time.
	mark    func(id string)
	markAll func()
	now     func() int64
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
	// Published is when, on the database's clock in microseconds, where the ledger is
	// kept in a file; 0 where the row was only read.
	Published int64
	// Again tells that an earlier process published it shortly before its end: it is
	// published again, as if it had changed.
	Again bool
	// Row is the HashRow of the row where it was read back whole, until TakeRead; 0
	// otherwise.
	Row uint64
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
	case e.Same(s) && !e.Again:
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
func (l *Ledger) Record(s Sketch, seq uint64, asOf int64) { l.record(s, seq, asOf, 0) }

// RecordRead is Record for a row that was read back whole; row is its HashRow.
func (l *Ledger) RecordRead(s Sketch, seq uint64, asOf int64, row uint64) {
	l.record(s, seq, asOf, row)
}

// TakeRead reports whether the row with this HashRow is the one that was read back and
// published last. It says so once: of what changed the row before it was read back, one
// change left it as it was read.
func (l *Ledger) TakeRead(id string, row uint64) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	e := l.rows[id]
	if e == nil || e.Deleted || row == 0 || e.Row != row {
		return false
	}
	e.Row = 0
	return true
}

func (l *Ledger) record(s Sketch, seq uint64, asOf int64, row uint64) {
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
	e := &Entry{Sketch: s, Seq: seq, AsOf: asOf, Row: row}
	if seq > 0 && l.now != nil {
		e.Published = l.now()
	}
	l.rows[id] = e
	l.changed(id)
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
	l.changed(s.ID())
}

// Forget drops rows that are no longer in the database.
func (l *Ledger) Forget(id string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.rows, id)
	l.changed(id)
}

// Prune drops the rows whose last time is before the given one.
func (l *Ledger) Prune(before int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for id, e := range l.rows {
		if e.At < before {
			delete(l.rows, id)
			l.changed(id)
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
			l.changed(id)
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
	if l.markAll != nil {
		l.markAll()
	}
}

// changed tells the file that a row changed. mu is held.
func (l *Ledger) changed(id string) {
	if l.mark != nil {
		l.mark(id)
	}
}

// keep has the ledger kept in a file: see the fields.
func (l *Ledger) keep(mark func(id string), markAll func(), now func() int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.mark, l.markAll, l.now = mark, markAll, now
}

// keys calls fn with all rows and their times.
func (l *Ledger) keys(fn func(id string, at int64)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for id, e := range l.rows {
		fn(id, e.At)
	}
}

// restore fills the ledger with rows that an earlier process kept. Those published at
// again or later are published again, and those that were also inserted then count as
// new; 0 for none.
func (l *Ledger) restore(rows []keptRow, again int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for i := range rows {
		e := rows[i].Entry
		if again > 0 && e.Published >= again {
			if e.Created >= again {
				continue
			}
			e.Again = true
		}
		l.rows[rows[i].id] = &e
	}
	for len(l.rows) > l.max {
		l.evict()
	}
}
