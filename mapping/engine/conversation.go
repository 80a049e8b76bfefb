package engine

import (
	"bytes"

	"chatbridge/mapping/contract"
	"chatbridge/mapping/internal/plan"
	"chatbridge/source"
)

// conversationChange maps an INSERT or UPDATE of a conversation: typing when
// that column changed, and conversation at the end of the batch when something
// visible did.
func (m *Mapper) conversationChange(b *binding, op source.Op, index uint32, emit Emit) error {
	row := m.cur
	s := &m.plan.Conversation
	key := row[s.Key].Data
	if row[s.Key].Kind != source.Text || len(key) == 0 {
		m.fail(failKey, plan.ConversationTable, nil, "", "a conversation without a key cannot be sent")
		return nil
	}
	ws := row[s.Workspace].Data
	if row[s.Workspace].Kind != source.Text || len(ws) == 0 {
		m.fail(failWorkspace, plan.ConversationTable, key, "", "a conversation without a workspace goes to nobody: fill the column "+m.columnName(plan.ConversationTable, s.Workspace))
		return nil
	}
	due, typing := true, false
	if op == source.Update {
		due, typing = m.compareConversation(row, rowKey{ws, key})
	}
	m.rememberConversation(row, rowKey{ws, key}, op)
	m.batch.touch(rowKey{ws, key}, due)
	if typing {
		return m.emitTyping(row, index, emit)
	}
	if !due {
		m.skip(skipUnchanged)
	}
	return nil
}

// compareConversation tells what an UPDATE changed: from the old row, else
// from the row that the clients were last told of.
func (m *Mapper) compareConversation(row source.Row, key rowKey) (due, typing bool) {
	oldKey := m.oldKeyOf(plan.ConversationTable, key)
	known := m.known(plan.ConversationTable, oldKey)
	var visible change
	for slot, v := range m.plan.VisibleSlots[plan.ConversationTable] {
		if v {
			visible = visible.or(m.compareKnown(row, slot, known))
		}
	}
	if visible == changed && !m.plan.Conversation.Listed && !m.conversationDiffers(row, known) {
		visible = same
	}
	due = visible == changed || visible == unknown && (m.again || m.plan.Conversation.UnknownChanged)
	if m.plan.Typing != nil {
		typing = m.compareTyping(row, known)
	}
	m.forgetOld(plan.ConversationTable, oldKey, key)
	return due, typing
}

// conversationDiffers tells whether the event of the new row differs from that
// of the old or the known one. What would have to be looked up counts as the
// same in both. It says true where neither row is whole.
func (m *Mapper) conversationDiffers(row, known source.Row) bool {
	was := m.old
	if !allKnown(was) {
		was = known
	}
	if !allKnown(was) || !allKnown(row) {
		return true
	}
	m.env.Quiet = true
	m.other = m.appendConversation(m.other[:0], was)
	m.out = m.appendConversation(m.out[:0], row)
	over := m.env.Over // what is too large is not rendered: it has changed or not
	m.env.Quiet = false
	return over || !bytes.Equal(m.other, m.out)
}

func (m *Mapper) appendConversation(dst []byte, row source.Row) []byte {
	m.env.Begin(m.tx.Time)
	m.env.Set(plan.ConversationTable, row)
	m.conversation = rowKey{row[m.plan.Conversation.Workspace].Data, row[m.plan.Conversation.Key].Data}
	for i := range m.plan.Conversation.Members {
		x := &m.plan.Conversation.Members[i]
		dst, _ = x.Value.JSON(append(dst, x.Head...), &m.env)
	}
	return dst
}

// compareTyping tells whether is_typing became another thing; null is false.
func (m *Mapper) compareTyping(row source.Row, known source.Row) bool {
	slot := m.plan.TypingSlot
	if m.compareKnown(row, slot, known) != changed {
		return false
	}
	was := m.old
	if slot >= len(was) || was[slot].Kind == source.Absent {
		was = known
	}
	return plan.IsTrue(row[slot].Data) != plan.IsTrue(was[slot].Data)
}

// known returns the row of which the clients were last told, nil when there is
// none in memory.
func (m *Mapper) known(t plan.TableID, key rowKey) source.Row {
	if r := m.memory.get(t, key); r != nil && !r.none && (r.stream || r.sent) {
		return r.row
	}
	return nil
}

// compareKnown compares a value with the old row's, else with the known row's.
func (m *Mapper) compareKnown(row source.Row, slot int, known source.Row) change {
	if slot < len(m.old) && m.old[slot].Kind != source.Absent {
		return compareValues(row[slot], m.old[slot])
	}
	if row[slot].Kind == source.Unchanged {
		return same
	}
	if slot < len(known) {
		return compareValues(row[slot], known[slot])
	}
	return unknown
}

func (m *Mapper) rememberConversation(row source.Row, key rowKey, op source.Op) {
	if r := m.memory.put(plan.ConversationTable, key, row, nil); r != nil {
		r.stream, r.expires = true, 0
	}
	if op == source.Insert && m.plan.NewestBy >= 0 && m.memory.get(newestKind, key) == nil {
		// A conversation that is new has no message that was not in the stream.
		m.memory.putNone(newestKind, key).stream = true
	}
}

// makeConversation makes m.event of the conversation's row and its newest
// message as they are now.
func (m *Mapper) makeConversation(t *touched, index uint32) outcome {
	m.env.Begin(m.tx.Time)
	m.conversation = t.rowKey
	r := m.recall(plan.ConversationTable, needConversation, t.rowKey)
	m.told = r
	if r != nil {
		m.env.Set(plan.ConversationTable, r.row)
	} else {
		m.env.Set(plan.ConversationTable, nil)
	}
	o := m.makePayload(contract.Conversation, plan.ConversationTable, t.key, m.plan.Conversation.Members)
	o = m.whole(o, plan.ConversationTable, t.rowKey)
	if o == made {
		m.event = contract.Event{Kind: contract.Conversation, Index: index, Workspace: t.workspace, Conversation: t.key, Key: t.key, Payload: m.out}
	}
	return o
}
