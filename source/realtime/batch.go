package realtime

import (
	"time"

	"chatbridge/source"
	"chatbridge/source/reconcile"
)

// batch is rows that were read back, or a gap, for the publisher.
type batch struct {
	*reconcile.Batch
	gap  *source.Gap
	done chan outcome
}

// outcome is what became of a batch.
type outcome struct {
	// published is the rows that were published, changedAgain those that the
	// stream changed after they were read.
	published, changedAgain []reconcile.Row
}

// batch compares rows that were read back with the ledger as it is now, and
// publishes those that still differ.
func (p *publisher) batch(b *batch) (outcome, error) {
	if b.gap != nil {
		return outcome{}, p.h.Gap(*b.gap)
	}
	var out outcome
	var tx source.Tx
	for _, r := range b.Rows {
		t := p.s.tables.of(r.Table)
		e, known := r.Table.Ledger.Get(r.Sketch.ID())
		if known && e.Seq > b.Seq {
			out.changedAgain = append(out.changedAgain, r)
			continue
		}
		known = known && !e.Deleted
		if known && !r.Force && !e.Again && e.Same(&r.Sketch) {
			continue
		}
		at := p.timeOf(&r.Sketch, &e, known)
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
		changes := r.Changes(&e, known, p.s.rec.shouldKnow(t, &r.Sketch))
		for _, c := range changes {
			if err := p.h.Change(c); err != nil {
				return out, err
			}
		}
		r.Table.Ledger.RecordRead(r.Sketch, p.s.seq.Add(1), b.AsOf, reconcile.HashRow(r.Relation, changes[0].New))
		p.s.stats.reconciled.Add(1)
		t.reconciled.Add(1)
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
func (p *publisher) timeOf(s *reconcile.Sketch, e *reconcile.Entry, known bool) time.Time {
	now := p.s.clock.Now()
	at := s.At
	if known && s.Updated <= e.Updated {
		at = 0
	}
	// A time that lies ahead, beyond what is known of the clocks, is not the
	// database's.
	if at == 0 || at > now.Add(2*time.Second).UnixMicro() {
		return now.Truncate(time.Microsecond)
	}
	return time.UnixMicro(at).UTC()
}
