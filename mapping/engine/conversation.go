package engine

import (
	"chatbridge/mapping/internal/plan"
	"chatbridge/source"
)

// conversationChange maps an INSERT or UPDATE of a conversation: typing when
// that column changed, and conversation at the end of the batch when something
// visible did.
func (m *Mapper) conversationChange(op source.Op, index uint32, emit Emit) error {
	row, s := m.row, &m.plan.Conversation
	key := rowKey{textAt(row, s.Workspace), textAt(row, s.Key)}
	switch {
	case len(key.key) == 0:
		m.report.fail(failKey, plan.ConversationTable, nil, "", "a conversation without a key cannot be sent")
		return nil
	case len(key.workspace) == 0:
		m.report.fail(failWorkspace, plan.ConversationTable, key.key, "", "a conversation without a workspace goes to nobody: fill the column "+m.columnName(plan.ConversationTable, s.Workspace))
		return nil
	}
	due, typing := true, false
	if op == source.Update {
		due, typing = m.compare.conversation(row, key)
	}
	m.memory.putConversation(key, row, op)
	m.send.batch.touch(key, due)
	if typing {
		return m.send.typing(row, index, emit)
	}
	if !due {
		m.report.skip(skipUnchanged)
	}
	return nil
}

// referenceChange maps an INSERT or UPDATE of a referenced row, such as a contact:
// it is remembered, and an UPDATE of what conversations show makes an event for
// each conversation that points to it.
func (m *Mapper) referenceChange(t plan.TableID, op source.Op) {
	m.send.batch.referenceRows++
	key, ok := m.keyOf(t, m.row)
	switch {
	case len(key.key) == 0:
		m.report.fail(failKey, t, nil, "", "a row without a key cannot be referred to")
		return
	case !ok:
		m.report.fail(failWorkspace, t, key.key, "", "a row without a workspace cannot be referred to: fill the column "+m.columnName(t, m.tables[t].Workspace))
		return
	}
	due := false
	if op == source.Update {
		was := m.compare.oldKey(t, key)
		m.memory.dropOld(t, m.compare.old, was, key)
		due = m.reference(t).By.Table == plan.ConversationTable && m.compare.reference(t, m.row, key)
		if !was.equal(key) && m.reference(t).By.Table == plan.ConversationTable { // those that it leaves have it no more
			due = true
			m.send.batch.referenceRows++
			m.send.batch.changed = append(m.send.batch.changed, referenceKey{t, was.owned().bytes()})
		}
	}
	m.memory.putStreamed(t, key, m.row)
	switch {
	case due:
		m.send.batch.changed = append(m.send.batch.changed, referenceKey{t, key.owned().bytes()})
	case op == source.Insert:
		m.report.skip(skipReference)
	default:
		m.report.skip(skipUnchanged)
	}
}
