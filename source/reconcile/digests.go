package reconcile

import (
	"encoding/binary"
	"sync"

	"chatbridge/source"

	"github.com/cespare/xxhash/v2"
)

// Digests is what was published of one table, in less than 60 bytes a row and
// without an allocation for any: of each row a hash of its key, and one of its time
// of update and its watched columns. It is bounded: the rows that were first
// published longest ago go first. Both hashes are the same in every process.
//
// Its methods may be called from any goroutine.
type Digests struct {
	mu   sync.Mutex
	rows map[uint64]digest
	// order has the keys in the order in which they were first published; next is
	// where the next one goes, in place of the oldest once the ring is full.
	order []published
	next  int
	since int64
	// mark is told of each row that changes, and markAll that all have; nil unless they
	// are kept in a file.
	mark    func(key uint64)
	markAll func()
}

// digest is what is known of one row: its state, and when it was published for the
// first and for the last time.
type digest struct {
	state     uint64
	at, until int64
}

type published struct {
	key uint64
	at  int64
}

// NewDigests returns one of at most maxRows rows.
func NewDigests(maxRows int) *Digests {
	return &Digests{rows: make(map[uint64]digest), order: make([]published, 0, maxRows)}
}

// whole is the bit of a state that tells that the row was published whole.
const whole = 1

// Put notes that the row was published as state, at a time in microseconds since 1970:
// whole, or only what an update changed of it. The state 0 is one that is not known: it
// compares as Changed with any other.
func (d *Digests) Put(key, state uint64, wholly bool, at int64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	state &^= whole
	was, known := d.rows[key]
	if wholly || was.state&whole != 0 {
		state |= whole
	}
	if known {
		d.rows[key] = digest{state, was.at, at}
		d.changed(key)
		return
	}
	d.add(key, digest{state, at, at})
}

// add adds a row, in place of the oldest where there are too many. mu is held.
func (d *Digests) add(key uint64, row digest) {
	p := published{key, row.at}
	switch {
	case len(d.order) < cap(d.order):
		d.order = append(d.order, p)
	case len(d.order) == 0:
		return
	default:
		oldest := &d.order[d.next]
		delete(d.rows, oldest.key)
		d.changed(oldest.key)
		d.since = max(d.since, oldest.at+1)
		*oldest = p
		d.next = (d.next + 1) % len(d.order)
	}
	d.rows[key] = row
	d.changed(key)
}

// changed tells the file of a row. mu is held.
func (d *Digests) changed(key uint64) {
	if d.mark != nil {
		d.mark(key)
	}
}

// Drop forgets a row: it was deleted, or not published after all.
func (d *Digests) Drop(key uint64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.rows, key)
	d.changed(key)
}

// Compare tells how the row read differs from what was published, and whether it was
// published whole.
func (d *Digests) Compare(key, state uint64) (v Verdict, wholly bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	was, known := d.rows[key]
	wholly = was.state&whole != 0
	switch {
	case !known:
		return Unknown, false
	case was.state&^whole == state && state != 0:
		return Same, wholly
	}
	return Changed, wholly
}

// KnownSince is the time, in microseconds, from which on every row that was published
// is known; 0 before KnowSince was called.
func (d *Digests) KnownSince() int64 {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.since
}

// KnowSince notes that rows of before a time were published and are not known.
func (d *Digests) KnowSince(at int64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.since = max(d.since, at)
}

// Clear forgets all rows, and since when they were known.
func (d *Digests) Clear() {
	d.mu.Lock()
	defer d.mu.Unlock()
	clear(d.rows)
	d.order, d.next, d.since = d.order[:0], 0, 0
	if d.markAll != nil {
		d.markAll()
	}
}

// Len is the number of rows.
func (d *Digests) Len() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.rows)
}

// DigestColumns are the places in a relation of what a digest is made of; Updated is
// -1 where there is no such column.
type DigestColumns struct {
	Key     []int
	Updated int
	Watch   []int
}

// KeyOf is the hash of the row's key; false where a part of it is missing.
func (c *DigestColumns) KeyOf(row source.Row) (key uint64, ok bool) {
	var h xxhash.Digest
	h.Reset()
	for _, i := range c.Key {
		if i >= len(row) || row[i].Kind != source.Text {
			return 0, false
		}
		_, _ = h.Write(row[i].Data)
		_, _ = h.Write(separator)
	}
	return h.Sum64(), len(c.Key) > 0
}

// State is the hash of what is compared, 0 where a watched value was not sent.
func (c *DigestColumns) State(row source.Row) uint64 {
	var h xxhash.Digest
	h.Reset()
	updated := int64(0)
	if c.Updated >= 0 && c.Updated < len(row) {
		updated = Micros(row[c.Updated])
	}
	number(&h, updated)
	for _, i := range c.Watch {
		if i >= len(row) || row[i].Kind != source.Text && row[i].Kind != source.Null {
			return 0
		}
		if row[i].Kind == source.Text {
			number(&h, int64(len(row[i].Data)))
			_, _ = h.Write(row[i].Data)
		} else {
			number(&h, -1)
		}
	}
	return max(h.Sum64()&^whole, 2)
}

// Digest returns the hashes that DigestColumns gives of the same row.
func (s *Sketch) Digest() (key, state uint64) {
	var h xxhash.Digest
	h.Reset()
	for _, k := range s.Key {
		_, _ = h.WriteString(k)
		_, _ = h.Write(separator)
	}
	key = h.Sum64()
	h.Reset()
	number(&h, s.Updated)
	for i := range s.Watch {
		switch w := &s.Watch[i]; w.Kind {
		case source.Text:
			number(&h, int64(len(w.Text)))
			_, _ = h.WriteString(w.Text)
		case source.Null:
			number(&h, -1)
		default:
			return key, 0
		}
	}
	return key, max(h.Sum64()&^whole, 2)
}

var separator = []byte{0}

func number(h *xxhash.Digest, n int64) {
	var b [8]byte
	binary.LittleEndian.PutUint64(b[:], uint64(n))
	_, _ = h.Write(b[:])
}
