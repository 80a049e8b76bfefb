package realtime

import (
	"time"

	"chatbridge/source"
	"chatbridge/source/realtime/readback"
)

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
		case r.s.created != 0 && !p.s.rec.shouldKnow(r.table, &r.s):
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
