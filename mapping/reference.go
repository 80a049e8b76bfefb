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
	due := false
	if op == source.Update && r.by.table == conversationTable {
		known := m.known(b.table, key)
		var visible change
		for slot, v := range m.spec.referenceSlots[b.table-firstReference] {
			if v {
				visible = visible.or(m.compareKnown(row, slot, known))
			}
		}
		due = visible == changed || visible == unknown && (m.again || r.unknownChanged)
	}
	if kept := m.memory.put(b.table, key, row, nil); kept != nil {
		kept.stream, kept.expires = true, 0
	}
	switch {
	case due:
		m.batch.changed = append(m.batch.changed, changedReference{b.table, append([]byte(nil), key...)})
	case op == source.Insert:
		m.skip(skipReference)
	default:
		m.skip(skipUnchanged)
	}
}

func (m *Mapper) reference(t tableID) *reference { return &m.spec.references[t-firstReference] }
