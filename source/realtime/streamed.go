package realtime

import (
	"slices"
	"time"

	"chatbridge/source"
	"chatbridge/source/reconcile"
)

// group publishes streamed changes as one transaction.
func (p *publisher) group(items []*change) error {
	var tx source.Tx
	for _, c := range items {
		if p.s.hold.holds(c) {
			p.waiting = append(p.waiting, c)
			continue
		}
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

// correctOld replaces the old row of a streamed update by what was published of
// the row last. They differ where a change in between was lost: the old row that
// was sent already contains it, so a comparison with that would not find it.
func (p *publisher) correctOld(c *change, s *reconcile.Sketch) {
	if c.op != source.Update || c.old == nil || !c.table.sameKey(c.rel, c.old, c.row) {
		return
	}
	e, known := c.table.Ledger.Get(s.ID())
	if !known || e.Deleted {
		if p.s.rec.shouldKnow(c.table, s) {
			c.old = nil
		}
		return
	}
	if e.Again {
		c.old = nil // what it was before may not have been received
		return
	}
	if before, ok := c.table.SketchRow(c.rel, c.old); !ok || !e.Same(&before) {
		p.s.stats.count(p.s.stats.gaps, gapUpdate)
		c.old = e.Old(c.table.Table, c.rel)
	}
}

// lostInsert records a change that was published. An update of a row that should
// be known but is not means that its insert was lost: an insert is published
// after the update, because a client that has the row from elsewhere uses only
// the update, and one that has not only the insert.
func (p *publisher) lostInsert(c *change, s *reconcile.Sketch) error {
	l := c.table.Ledger
	if c.op == source.Delete {
		l.Remove(*s, p.s.seq.Add(1))
		return nil
	}
	e, known := l.Get(s.ID())
	if c.op == source.Update && (!known || e.Deleted) && p.s.rec.shouldKnow(c.table, s) {
		if hasUnchanged(c.row) {
			// A column is missing; read back, the row is published as a new one.
			p.s.rec.requests.row(c.table.Table, s.Key)
			return nil
		}
		if err := p.h.Change(&source.Change{Op: source.Insert, Relation: c.rel, Late: true, New: c.row}); err != nil {
			return err
		}
		p.s.stats.count(p.s.stats.gaps, gapInsert)
	}
	l.Record(*s, p.s.seq.Add(1), 0)
	return nil
}

func hasUnchanged(row source.Row) bool {
	return slices.ContainsFunc(row, func(v source.Value) bool { return v.Kind == source.Unchanged })
}

// admit decides whether a streamed change is published, and makes its sketch.
func (p *publisher) admit(c *change) (reconcile.Sketch, bool) {
	row := c.row
	if c.op == source.Delete {
		row = c.old
	}
	s, ok := c.table.SketchRow(c.rel, row)
	if !ok {
		// Without a key nothing can be done with it; whatever it was, the
		// reconciler finds it by its time.
		p.s.stats.drop(dropKey)
		if c.op != source.Delete {
			p.s.gap(c.table, gapRow)
		}
		return reconcile.Sketch{}, false
	}
	if c.op == source.Delete {
		return s, true
	}
	if c.truncated {
		p.s.stats.drop(dropCut)
		// What streams of its conversation waits until it is read.
		p.s.hold.conversation(c.conversation(), p.s.clock.Elapsed(), p.s.opts.Timing.Hold)
		p.s.rec.requests.row(c.table.Table, s.Key)
		return reconcile.Sketch{}, false
	}
	e, known := c.table.Ledger.Get(s.ID())
	stale := known && !e.Deleted && e.AsOf > c.at.UnixMicro()
	// The time decides only once the stream has shown the database's clock, and only where
	// the change is older than the reading by more than the stream is late. Of the others
	// the row itself tells.
	repeats := e.Row != 0 && !c.tellsMore() && c.table.Ledger.TakeRead(s.ID(), reconcile.HashRow(c.rel, c.row))
	if stale || repeats {
		p.s.stats.drop(dropStale)
		return reconcile.Sketch{}, false
	}
	return s, true
}
