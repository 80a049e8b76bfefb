package engine

import (
	"bytes"

	"chatbridge/mapping/internal/plan"
	"chatbridge/source"
)

// fit is whether the mapping's `where:` lets a message's row make events.
type fit uint8

const (
	// unsure: the source did not send what the condition reads.
	unsure fit = iota
	fits
	leftOut
)

// fitted is a message's fit before a change and after it.
type fitted struct{ before, now fit }

// fit reports whether `where:` lets a row of messages, old or new, make events.
func (r *renderer) fit(row source.Row) fit {
	where := r.plan.Message.Where
	if where == nil {
		return fits
	}
	for _, slot := range r.plan.WhereSlots {
		if slot >= len(row) || row[slot].Kind != source.Text && row[slot].Kind != source.Null {
			return unsure
		}
	}
	r.beginMessage(row)
	if where.Holds(&r.env) {
		return fits
	}
	return leftOut
}

// fitBefore tells how a message fitted before an UPDATE: by the old row, else by the
// fingerprint of its last state.
func (c *comparer) fitBefore(id rowKey) fit {
	before := c.render.fit(c.old)
	if before != unsure {
		return before
	}
	if hashes := c.memory.fingerprints.get(c.oldKey(plan.MessageTable, id)); hashes != nil {
		return fit(hashes[len(hashes)-fingerprintExtras+fitExtra])
	}
	return unsure
}

// messageWanted decides about the message that was begun: rendered if it makes events.
// A value that the condition reads and the source did not send is looked up. Where that
// is impossible the event is counted and not sent: the message may be a private note.
func (r *renderer) messageWanted(row source.Row) outcome {
	where := r.plan.Message.Where
	if where == nil {
		return rendered
	}
	holds := where.Holds(&r.env)
	if r.env.Unsent != 0 {
		return r.complete(rendered, plan.MessageTable, r.messageKey(row))
	}
	if !holds {
		if !r.report.muted {
			r.report.skip(skipWhere)
		}
		return unwanted
	}
	return rendered
}

// insertedFit makes an inserted message its conversation's newest. Where its fit is
// not known yet, or it is late and a later one may have come, the newest one is
// looked up.
func (m *Mapper) insertedFit(row source.Row, conv rowKey, now fit) {
	if now == fits && !m.mayBeLater(row, conv) {
		m.memory.insertedMessage(row, conv)
		return
	}
	m.memory.rows.drop(newestKind, conv)
}

// mayBeLater reports whether to look up whether a message that is inserted late
// is its conversation's newest: none is remembered, or another of the same time.
func (m *Mapper) mayBeLater(row source.Row, conv rowKey) bool {
	if !m.tx.late || m.send.resolver.lookup == nil || !m.showsNewest() {
		return false
	}
	c := m.memory.rows.get(newestKind, conv)
	if c == nil || c.absent {
		return c == nil
	}
	return c.order == m.memory.messageOrder(row, firstOrder) && !bytes.Equal(c.row[m.plan.Message.Key].Data, row[m.plan.Message.Key].Data)
}

// fitChange maps an UPDATE of a message that is left out now or was before, as far as
// known. One that is left out from now on makes the events of its DELETE, one that is no
// longer left out those of its INSERT. Where it is not known whether clients have it,
// both the change and the message are sent.
func (m *Mapper) fitChange(b *binding, row source.Row, id, conv rowKey, f fitted, change messageChange, index uint32, emit Emit) error {
	if !b.full { // so that indexes do not depend on what is remembered
		m.send.batch.touchAt(conv, 0)
	}
	if f.before != leftOut && f.now != fits {
		m.leaves(row, id, conv, f.now)
	}
	if f.now == leftOut {
		m.report.skip(skipWhere)
		return nil
	}
	if f.before == leftOut {
		change = messageChange{}
	}
	change.other = true
	switch {
	case f.now == unsure: // the look-up decides
		m.memory.rows.drop(newestKind, conv)
	case m.plan.InsertedOnly:
		m.memory.insertedMessage(row, conv)
	default:
		m.memory.updatedMessage(m.compare.old, row, id, conv)
		m.send.resolver.came(conv, row)
	}
	m.send.batch.touch(conv, true)
	if m.send.owes() {
		m.send.updateOwed(row, m.compare.oldKey(plan.MessageTable, id), id)
	}
	return m.updateEvents(row, change, index, emit)
}

// leaves makes the events of a message's DELETE for one that clients may have and that is,
// or may be, left out from now on.
func (m *Mapper) leaves(row source.Row, id, conv rowKey, now fit) {
	old, was, from := m.compare.old, m.compare.oldKey(plan.MessageTable, id), conv
	if before := textAt(old, m.plan.Message.Conversation); before != nil {
		from = rowKey{was.workspace, before}
	}
	m.send.batch.dropMessage(was, false)
	m.send.owed.drop(plan.MessageTable, was, false)
	if m.showsNewest() {
		order := m.orderKnown(row)
		if len(old) > 0 && old[m.plan.NewestBy].Kind != source.Absent {
			order = m.orderKnown(old)
		}
		m.send.batch.touchAt(from, 0).changedPreview(order)
		if now == leftOut {
			m.send.resolver.left(from, was.key, firstOrder)
		}
	}
	m.memory.dropNewest(from, was.key)
}
