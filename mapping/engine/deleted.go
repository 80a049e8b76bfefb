package engine

import (
	"chatbridge/mapping/internal/plan"
	"chatbridge/source"
)

// deleted forgets a row. A DELETE makes no event but the conversation's whose newest
// message it was.
func (m *Mapper) deleted(b *binding, c *source.Change, index uint32) {
	m.report.skip(skipDelete)
	old, _ := b.project(m.compare.old, c.Old, source.Absent)
	m.compare.old = old
	if b.table >= plan.FirstReference && m.reference(b.table).Many {
		m.manyDeleted(b.table, old, index)
		return
	}
	key, ok := m.keyOf(b.table, old)
	if key.key == nil {
		return
	}
	switch b.table {
	case plan.MessageTable:
		m.send.batch.dropMessage(key, !ok)
	case plan.ConversationTable:
		m.send.batch.dropConversation(key, !ok)
	}
	m.send.owed.drop(b.table, key, !ok)
	if ok && b.table == plan.MessageTable && m.send.render.fit(old) != leftOut {
		m.deletedPreview(old, key)
	}
	if ok {
		m.memory.drop(b.table, old, key)
	} else {
		m.memory.dropAnywhere(b.table, old, key.key)
	}
}

// truncated forgets the rows of a table. A TRUNCATE makes no event.
func (m *Mapper) truncated(t plan.TableID) {
	m.report.skip(skipTruncate)
	m.memory.dropTable(t)
	m.send.owed.dropTable(t)
}
