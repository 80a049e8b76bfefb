package engine

import "chatbridge/source"

// transaction is the present transaction and its place in the stream.
type transaction struct {
	source.Tx
	// seq counts the transactions that began.
	seq uint64
	// now is the latest commit time seen, in Unix nanoseconds: the clock by which
	// memory grows old.
	now int64
	// newest is the largest Tx.Commit that came to its end.
	newest uint64
	// late: the present change is, see source.Change.
	late bool
	// open: it has begun and not ended. restarted: the one before it did not end,
	// and this is the same one again. repeated: it is not newer than newest, and
	// what it makes was sent before.
	open, restarted, repeated bool
}

func (t *transaction) begin(tx source.Tx) {
	t.restarted, t.open, t.repeated = t.open, true, tx.Commit <= t.newest
	t.Tx = tx
	if at := tx.Time.UnixNano(); !tx.Time.IsZero() && at > t.now {
		t.now = at
	}
	t.seq++
}

func (t *transaction) end() {
	t.open, t.newest = false, max(t.newest, t.Commit)
}
