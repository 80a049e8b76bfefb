package engine

import (
	"chatbridge/mapping/internal/plan"
	"chatbridge/source"
)

// Old rows come as far as the table's replica identity has them. Where that
// lacks the workspace it is the row's key alone, which is then unique in the
// whole table: what is remembered of the key is forgotten in every workspace.
// Where the key is unique in its workspace only, the primary key, which is the
// default identity, has both.

// deleted forgets a row. A DELETE makes no event.
func (m *Mapper) deleted(b *binding, c *source.Change) {
	m.skip(skipDelete)
	m.old, _ = b.project(m.old, c.Old, source.Absent)
	key, ok := m.rowKeyOf(b.table, m.old)
	if key.key == nil {
		return
	}
	m.dropDebt(b.table, key, !ok)
	if !ok {
		m.deletedAnywhere(b.table, key.key)
		return
	}
	m.memory.drop(b.table, key)
	switch b.table {
	case plan.MessageTable:
		m.prints.drop(key)
		m.dropKept(key)
		if conv := m.keyOf(m.old, m.plan.Message.Conversation); conv != nil {
			m.forgetNewest(rowKey{key.workspace, conv}, key.key)
		}
	case plan.ConversationTable:
		m.memory.drop(newestKind, key)
		if i := m.batch.find(key); i >= 0 {
			m.batch.touched[i].due = false // there is nothing left to tell of
		}
	}
}

// deletedAnywhere forgets a row of which the source told no more than the key.
// The fingerprint of such a message stays until it is old: before the message
// is there again it has no UPDATE, and its INSERT replaces it.
func (m *Mapper) deletedAnywhere(t plan.TableID, key []byte) {
	m.memory.dropAnywhere(t, key)
	switch t {
	case plan.MessageTable:
		conv := m.keyOf(m.old, m.plan.Message.Conversation)
		if conv == nil {
			return
		}
		for r := m.memory.anywhere(newestKind, conv); r != nil; {
			next := r.other
			m.forgetNewest(r.key.bytes(), key)
			r = next
		}
	case plan.ConversationTable:
		m.memory.dropAnywhere(newestKind, key)
		for i := range m.batch.touched {
			if c := &m.batch.touched[i]; string(c.key) == string(key) {
				c.due = false
			}
		}
	}
}

// forgetOld forgets what is remembered under the key that a row had before an
// UPDATE, unless it is the same.
func (m *Mapper) forgetOld(t plan.TableID, was, now rowKey) {
	if was.equal(now) {
		return
	}
	kinds := []plan.TableID{t, newestKind}
	if t != plan.ConversationTable {
		kinds = kinds[:1]
	}
	_, whole := m.rowKeyOf(t, m.old)
	for _, kind := range kinds {
		if whole {
			m.memory.drop(kind, was)
		} else {
			m.memory.dropAnywhere(kind, was.key)
		}
	}
}

// forgetNewest forgets a conversation's newest message if it is that one.
func (m *Mapper) forgetNewest(conversation rowKey, message []byte) {
	r := m.memory.get(newestKind, conversation)
	if r != nil && !r.none && string(r.row[m.plan.Message.Key].Data) == string(message) {
		m.memory.remove(r)
	}
}

func (m *Mapper) truncated(t plan.TableID) {
	m.skip(skipTruncate)
	m.memory.dropAll(t)
	m.dropDebts(t)
	if t == plan.MessageTable {
		m.kept.init(m.kept.limit)
		m.memory.dropAll(newestKind)
		m.prints.init(m.prints.width, m.prints.limit)
	}
}
