package realtime

import (
	"context"
	"slices"
	"time"

	"chatbridge/source"
	"chatbridge/source/realtime/readback"
)

// publisher calls the handler. It belongs to the goroutine that called Run.
type publisher struct {
	s *Source
	h source.Handler
	// last is the Commit of the last transaction begun.
	last uint64
	// tail is the changes of the newest commit_timestamp, of whose transaction
	// more may be on its way; due is when to stop waiting, zero for not.
	tail []*change
	due  time.Time
}

// batch is rows that were read back, in the order of their times, for the
// publisher to compare once more and publish.
type batch struct {
	rows []reread
	// asOf and seq are from before the rows were read: see entry.
	asOf int64
	seq  uint64
	gap  *source.Gap
	done chan outcome
}

type reread struct {
	table *table
	rel   *source.Relation
	row   readback.Row
	s     sketch
	// force publishes even what looks the same: the change itself said that
	// something is different.
	force bool
}

// outcome is what became of a batch.
type outcome struct {
	// published is the rows that were published, changedAgain those that the
	// stream changed after they were read.
	published, changedAgain []reread
}

func (p *publisher) run(ctx context.Context) error {
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		timer.Reset(p.wait())
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-timer.C:
			p.s.queue.poke()
		case b := <-p.s.batches:
			if err := p.flush(); err != nil {
				return err
			}
			out, err := p.batch(b)
			if err != nil {
				return err
			}
			b.done <- out
		case <-p.s.queue.ready:
			if p.s.hold.left() > 0 {
				continue
			}
			if err := p.stream(p.s.queue.take()); err != nil {
				return err
			}
		}
	}
}

// wait is how long nothing needs to be done by itself.
func (p *publisher) wait() time.Duration {
	if left := p.s.hold.left(); left > 0 {
		return left
	}
	if !p.due.IsZero() {
		return max(time.Until(p.due), 0)
	}
	return time.Hour
}

// stream publishes streamed changes, those of one commit_timestamp together.
// The frames of a transaction come one after the other, and nothing marks the
// last: so the newest wait a little for more of theirs.
func (p *publisher) stream(items []*change) error {
	if len(items) > 0 {
		p.due = time.Now().Add(p.s.opts.Timing.Linger)
	}
	items = append(p.tail, items...)
	p.tail = nil
	for len(items) > 0 {
		n := 1
		for n < len(items) && items[n].at.Equal(items[0].at) {
			n++
		}
		if n == len(items) && n < p.s.opts.QueueChanges && time.Now().Before(p.due) {
			p.tail = items
			return nil
		}
		if err := p.group(items[:n]); err != nil {
			return err
		}
		items = items[n:]
	}
	p.due = time.Time{}
	return nil
}

// flush publishes what waits for more of its transaction.
func (p *publisher) flush() error {
	p.due = time.Time{}
	return p.stream(nil)
}

func (p *publisher) group(items []*change) error {
	var tx source.Tx
	for _, c := range items {
		s, ok := p.admit(c)
		if !ok {
			continue
		}
		if tx.Commit == 0 {
			tx = p.next(c.at)
			if err := p.h.Begin(tx); err != nil {
				return err
			}
		}
		p.correctOld(c, &s)
		if err := p.h.Change(&source.Change{Op: c.op, Relation: c.rel, New: c.row, Old: c.old}); err != nil {
			return err
		}
		if err := p.lostInsert(c, &s); err != nil {
			return err
		}
		p.s.stats.streamed.Add(1)
		c.table.streamed.Add(1)
	}
	if tx.Commit == 0 {
		return nil
	}
	p.s.stats.lastChange.Store(time.Now().UnixNano())
	return p.h.Commit(tx)
}

// correctOld makes the old row of a streamed update what was published of the
// row last. They differ where a change in between was lost: then the old row
// that was sent already has it, and comparing with that would hide it.
func (p *publisher) correctOld(c *change, s *sketch) {
	if c.op != source.Update || c.old == nil || !c.table.sameKey(c.rel, c.old, c.row) {
		return
	}
	e, known := c.table.ledger.get(s.id())
	if !known || e.deleted {
		if p.s.rec.oughtToKnow(c.table, s) {
			c.old = nil
		}
		return
	}
	if before, ok := c.table.sketchRow(c.rel, c.old); !ok || !e.same(&before) {
		p.s.stats.count(p.s.stats.gaps, gapUpdate)
		c.old = knownOld(c.table, c.rel, e)
	}
}

// lostInsert records a change that was published. An update of a row that
// ought to be known but is not means that its insert was lost: it is made up
// for at once, after the update, since a client that has the row from
// elsewhere takes only the update and one that has not only the insert.
func (p *publisher) lostInsert(c *change, s *sketch) error {
	l := c.table.ledger
	if c.op == source.Delete {
		l.remove(*s, p.s.seq.Add(1))
		return nil
	}
	e, known := l.get(s.id())
	if c.op == source.Update && (!known || e.deleted) && p.s.rec.oughtToKnow(c.table, s) {
		if hasUnchanged(c.row) {
			// The row is not whole; read back, it is published as a new one.
			p.s.rec.refetch(c.table, s.key)
			return nil
		}
		if err := p.h.Change(&source.Change{Op: source.Insert, Relation: c.rel, New: c.row}); err != nil {
			return err
		}
		p.s.stats.count(p.s.stats.gaps, gapInsert)
	}
	l.record(*s, p.s.seq.Add(1), 0)
	return nil
}

func hasUnchanged(row source.Row) bool {
	return slices.ContainsFunc(row, func(v source.Value) bool { return v.Kind == source.Unchanged })
}

// admit decides whether a streamed change is published, and makes its sketch.
func (p *publisher) admit(c *change) (sketch, bool) {
	row := c.row
	if c.op == source.Delete {
		row = c.old
	}
	s, ok := c.table.sketchRow(c.rel, row)
	if !ok {
		// Without a key nothing can be done with it; whatever it was, the
		// reconciler finds it by its time.
		p.s.stats.drop(dropKey)
		if c.op != source.Delete {
			p.s.gap(c.table, gapRow)
		}
		return sketch{}, false
	}
	if c.op == source.Delete {
		return s, true
	}
	if c.cut {
		p.s.stats.drop(dropCut)
		p.s.rec.refetch(c.table, s.key)
		return sketch{}, false
	}
	if e, known := c.table.ledger.get(s.id()); known && !e.deleted && e.asOf > c.at.UnixMicro() {
		p.s.stats.drop(dropStale)
		return sketch{}, false
	}
	return s, true
}

// batch compares rows that were read back with the ledger as it is now, and
// publishes those that still differ.
func (p *publisher) batch(b *batch) (outcome, error) {
	if b.gap != nil {
		return outcome{}, p.h.Gap(*b.gap)
	}
	var out outcome
	var tx source.Tx
	for _, r := range b.rows {
		e, known := r.table.ledger.get(r.s.id())
		if known && e.seq > b.seq {
			out.changedAgain = append(out.changedAgain, r)
			continue
		}
		known = known && !e.deleted
		if known && !r.force && e.same(&r.s) {
			continue
		}
		at := p.timeOf(&r.s, e, known)
		if tx.Commit == 0 || !at.Equal(tx.Time) {
			if tx.Commit != 0 {
				if err := p.h.Commit(tx); err != nil {
					return out, err
				}
			}
			tx = p.next(at)
			if err := p.h.Begin(tx); err != nil {
				return out, err
			}
		}
		for _, c := range p.rereadChanges(r, e, known) {
			if err := p.h.Change(c); err != nil {
				return out, err
			}
		}
		r.table.ledger.record(r.s, p.s.seq.Add(1), b.asOf)
		p.s.stats.reconciled.Add(1)
		r.table.reconciled.Add(1)
		out.published = append(out.published, r)
	}
	if tx.Commit == 0 {
		return out, nil
	}
	p.s.stats.lastChange.Store(time.Now().UnixNano())
	return out, p.h.Commit(tx)
}

// timeOf is when the change was committed, as far as the row tells: a status
// that changed without a time of update changed by now.
func (p *publisher) timeOf(s *sketch, e entry, known bool) time.Time {
	now := p.s.clock.now()
	at := s.at
	if known && s.updated <= e.updated {
		at = 0
	}
	// A time that lies ahead, beyond what is known of the clocks, is not the
	// database's.
	if at == 0 || at > now.Add(2*time.Second).UnixMicro() {
		return now.Truncate(time.Microsecond)
	}
	return time.UnixMicro(at).UTC()
}

// rereadChanges makes the changes that the row read back amounts to. Of the
// old row only what the ledger keeps is known; the rest is Absent. A row that
// was not known is new, and yet may be known to a client from elsewhere, with
// an older state: so an update goes before the insert.
func (p *publisher) rereadChanges(r reread, e entry, known bool) []*source.Change {
	c := &source.Change{Op: source.Update, Relation: r.rel, New: make(source.Row, len(r.rel.Columns))}
	for i := range r.rel.Columns {
		col := &r.rel.Columns[i]
		raw, ok := r.row[col.Name]
		if !ok {
			c.New[i].Kind = source.Absent
			continue
		}
		c.New[i] = toValue(raw, col.Type, readForm)
	}
	conf := r.table.config()
	if !known {
		insert := &source.Change{Op: source.Insert, Relation: r.rel, New: c.New}
		switch {
		case r.s.created != 0 && !p.s.rec.oughtToKnow(r.table, &r.s):
			// Older than what is remembered; only its update is new.
			return []*source.Change{c}
		case len(conf.Watch) == 0:
			return []*source.Change{insert}
		}
		return []*source.Change{c, insert}
	}
	c.Old = knownOld(r.table, r.rel, e)
	return []*source.Change{c}
}

// knownOld is what the ledger knows of a row, the rest Absent.
func knownOld(t *table, rel *source.Relation, e entry) source.Row {
	conf := t.config()
	old := make(source.Row, len(rel.Columns))
	for i, k := range conf.Key {
		if j := columnIndex(rel, k); j >= 0 && i < len(e.key) {
			old[j] = source.Value{Kind: source.Text, Data: []byte(e.key[i])}
		}
	}
	for i, w := range conf.Watch {
		if j := columnIndex(rel, w); j >= 0 && i < len(e.watch) && e.watch[i].kind != source.Unchanged {
			old[j] = source.Value{Kind: e.watch[i].kind}
			if e.watch[i].kind == source.Text {
				old[j].Data = []byte(e.watch[i].text)
			}
		}
	}
	return old
}

// next begins a transaction at a time; its Commit is above every earlier one.
func (p *publisher) next(at time.Time) source.Tx {
	c := uint64(max(at.UnixMicro(), 1))
	if c <= p.last {
		c = p.last + 1
	}
	p.last = c
	return source.Tx{Commit: c, Time: at}
}
