package engine

import (
	"chatbridge/mapping/internal/plan"
	"chatbridge/source"
)

// referenceChange maps a change of a referenced row, such as a contact: it is
// remembered, and an UPDATE of what conversations show makes an event for each
// conversation that points to it.
func (m *Mapper) referenceChange(b *binding, op source.Op) {
	r := m.reference(b.table)
	row := m.cur
	key := row[r.Key].Data
	m.batch.referenceRows++
	if row[r.Key].Kind != source.Text || len(key) == 0 {
		m.fail(failKey, b.table, nil, "", "a row without a key cannot be referred to")
		return
	}
	id, ok := m.rowKeyOf(b.table, row)
	if !ok {
		m.fail(failWorkspace, b.table, key, "", "a row without a workspace cannot be referred to: fill the column "+m.columnName(b.table, m.tables[b.table].Workspace))
		return
	}
	if op == source.Update {
		m.forgetOld(b.table, m.oldKeyOf(b.table, id), id)
	}
	due := false
	if op == source.Update && r.By.Table == plan.ConversationTable {
		known := m.known(b.table, id)
		var visible change
		for slot, v := range m.plan.ReferenceSlots[b.table-plan.FirstReference] {
			if v {
				visible = visible.or(m.compareKnown(row, slot, known))
			}
		}
		due = visible == changed || visible == unknown && (m.again || r.UnknownChanged)
	}
	if kept := m.memory.put(b.table, id, row, nil); kept != nil {
		kept.stream, kept.expires = true, 0
	}
	switch {
	case due:
		m.batch.changed = append(m.batch.changed, changedReference{b.table, id.owned().bytes()})
	case op == source.Insert:
		m.skip(skipReference)
	default:
		m.skip(skipUnchanged)
	}
}

func (m *Mapper) reference(t plan.TableID) *plan.Reference {
	return &m.plan.References[t-plan.FirstReference]
}
