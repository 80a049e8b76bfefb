package mapping

import "chatbridge/source"

// referenceChange maps a change of a referenced row, such as a contact: it is
// remembered, and an UPDATE of what conversations show makes an event for each
// conversation that points to it.
func (m *Mapper) referenceChange(b *binding, op source.Op) {
	r := m.reference(b.table)
	row := m.cur
	key := row[r.key].Data
	m.batch.referenceRows++
	if row[r.key].Kind != source.Text || len(key) == 0 {
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
	if op == source.Update && r.by.table == conversationTable {
		known := m.known(b.table, id)
		var visible change
		for slot, v := range m.plan.referenceSlots[b.table-firstReference] {
			if v {
				visible = visible.or(m.compareKnown(row, slot, known))
			}
		}
		due = visible == changed || visible == unknown && (m.again || r.unknownChanged)
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

func (m *Mapper) reference(t tableID) *reference { return &m.plan.references[t-firstReference] }
