package reconcile

import (
	"cmp"
	"encoding/binary"
	"slices"
)

// keptLen is the length of a digest as it is kept: its state, and when the row was
// published for the first and for the last time.
const keptLen = 3 * 8

// Keep has changes told to a file: mark is called with the key of each row that changes,
// and markAll when all have. Neither may call a method of the Digests.
func (d *Digests) Keep(mark func(key string), markAll func()) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.mark = func(key uint64) {
		var b [8]byte
		binary.BigEndian.PutUint64(b[:], key)
		mark(string(b[:]))
	}
	d.markAll = markAll
}

// Keys calls fn with all rows and when they were published for the first time, as a
// ledgerfile.Rows does.
func (d *Digests) Keys(fn func(key string, at int64)) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for key, row := range d.rows {
		var b [8]byte
		binary.BigEndian.PutUint64(b[:], key)
		fn(string(b[:]), row.at)
	}
}

// Row appends what is kept of a row, as a ledgerfile.Rows does.
func (d *Digests) Row(dst []byte, key string) ([]byte, int64, bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	row, ok := d.rows[binary.BigEndian.Uint64([]byte(key))]
	if !ok {
		return dst, 0, false
	}
	dst = binary.LittleEndian.AppendUint64(dst, row.state)
	dst = binary.LittleEndian.AppendUint64(dst, uint64(row.at))
	return binary.LittleEndian.AppendUint64(dst, uint64(row.until)), row.at, true
}

// KeptDigest is a row as it was kept.
type KeptDigest struct {
	key uint64
	digest
}

// ReadDigest reads what Row appended; false where it did not.
func ReadDigest(key string, row []byte) (k KeptDigest, ok bool) {
	if len(key) != 8 || len(row) != keptLen {
		return k, false
	}
	k.key = binary.BigEndian.Uint64([]byte(key))
	k.state = binary.LittleEndian.Uint64(row)
	k.at = int64(binary.LittleEndian.Uint64(row[8:]))
	k.until = int64(binary.LittleEndian.Uint64(row[16:]))
	return k, true
}

// Published is when the row was published for the last time, in microseconds.
func (k *KeptDigest) Published() int64 { return k.until }

// Restore fills the Digests, which has no rows, with those that an earlier process kept:
// all that were published since a time. Clients may not have received what was published
// at again or later: rows inserted then are not known, and others compare as Changed.
func (d *Digests) Restore(rows []KeptDigest, since, again int64) {
	slices.SortFunc(rows, func(a, b KeptDigest) int { return cmp.Compare(a.at, b.at) })
	d.mu.Lock()
	defer d.mu.Unlock()
	d.since = since
	for _, k := range rows {
		if k.until >= again {
			if k.state&whole != 0 && k.at >= again {
				continue
			}
			k.state &= whole
		}
		d.add(k.key, k.digest)
	}
}
