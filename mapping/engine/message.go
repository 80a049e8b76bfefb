package engine

import (
	"chatbridge/mapping/internal/plan"
	"chatbridge/source"
)

// messageChange maps an INSERT or UPDATE of a message. An INSERT gives
// message, and conversation at the end of the batch; an UPDATE messageStatus, under
// each id of the message, when the status changed, and message again when anything
// else visible did.
func (m *Mapper) messageChange(b *binding, op source.Op, index uint32, emit Emit) error {
	row := m.row
	now := m.send.render.fit(row)
	m.report.muted = now == leftOut // nothing is wrong with such a row
	id, conv, ok := m.messageKeys(row)
	m.report.muted = false
	switch {
	case !ok && now == leftOut:
		m.report.skip(skipWhere)
		return nil
	case !ok:
		return nil
	}
	if op == source.Insert {
		if !b.full {
			m.compare.keepValues(b.full, op, row, id)
		}
		m.rememberState(b, row, id, now, true)
		if now == leftOut {
			m.report.skip(skipWhere)
			return nil
		}
		m.insertedFit(row, conv, now)
		if m.send.owes() {
			m.send.updateOwed(row, id, id)
		}
		m.send.batch.touch(conv, true)
		if m.plan.Many {
			m.send.insertedWithMany(row, id, m.partial, index)
			return nil
		}
		return m.send.message(row, m.partial, index, emit)
	}
	before := m.compare.fitBefore(id)
	change := m.compare.message(b.full, row, id)
	m.rememberState(b, row, id, now, false)
	if now != fits || before != fits {
		return m.fitChange(b, row, id, conv, fitted{before, now}, change, index, emit)
	}
	if m.showsNewest() && (change.moved || !b.full) {
		m.updatedPreviews(b.full, row, id, conv, change.preview)
	}
	m.memory.updatedMessage(m.compare.old, row, id, conv)
	if m.send.owes() {
		m.send.updateOwed(row, m.compare.oldKey(plan.MessageTable, id), id)
	}
	return m.updateEvents(row, change, index, emit)
}

// updateEvents makes the events of what an UPDATE of a message changed.
func (m *Mapper) updateEvents(row source.Row, change messageChange, index uint32, emit Emit) error {
	if !change.status && !change.other {
		m.report.skip(skipUnchanged)
		return nil
	}
	if change.status {
		if err := m.send.status(row, index, emit); err != nil {
			return err
		}
	}
	if change.other {
		return m.send.message(row, m.partial, index+messageIndex, emit)
	}
	return nil
}

// rememberState remembers a message's state for its next UPDATE, unless that comes
// with the old row.
func (m *Mapper) rememberState(b *binding, row source.Row, id rowKey, now fit, inserted bool) {
	if !b.full {
		m.memory.putMessageState(row, id, m.send.render.statusOf(row), now, inserted)
	}
}

// messageKeys returns the keys of a message and its conversation, without which
// there is no event. Keys are never stored out of line.
func (m *Mapper) messageKeys(row source.Row) (id, conversation rowKey, ok bool) {
	s := &m.plan.Message
	key, conv, ws := textAt(row, s.Key), textAt(row, s.Conversation), textAt(row, s.Workspace)
	switch {
	case len(key) == 0:
		m.report.fail(failKey, plan.MessageTable, nil, "", "a message without a key cannot be sent")
	case len(ws) == 0:
		m.report.fail(failWorkspace, plan.MessageTable, key, "", "a message without a workspace goes to nobody: fill the column "+m.columnName(plan.MessageTable, s.Workspace))
	case len(conv) == 0:
		m.report.fail(failConversation, plan.MessageTable, key, "", "a message without a conversation cannot be shown: fill the column "+m.columnName(plan.MessageTable, s.Conversation))
	default:
		return rowKey{ws, key}, rowKey{ws, conv}, true
	}
	return id, conversation, false
}
