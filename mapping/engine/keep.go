package engine

import (
	"chatbridge/mapping/internal/convert"
	"chatbridge/mapping/internal/plan"
	"chatbridge/source"
)

// keep remembers a row that was found, unless the stream has shown it: the
// stream's rows are in order with its events, what was read now may be ahead.
// It returns the key of a conversation that points to a changed reference.
// Rows that were not asked for are left: a Lookup may answer with rows of the
// same keys in other workspaces.
func (m *Mapper) keep(f Found, found map[needKey]bool) (related rowKey, ok bool) {
	t, ok := m.tableOf(f.Table)
	if !ok || len(f.Row) != len(m.tables[t].Columns) {
		return related, false
	}
	key, ok := m.rowKeyOf(t, f.Row)
	if !ok {
		return related, false
	}
	need := &m.batch.need
	switch {
	case t == plan.MessageTable && f.Newest:
		conv := rowKey{key.workspace, f.Row[m.plan.Message.Conversation].Data}
		if need.asked(needNewest, newestKind, conv) || m.batch.related[conv.owned()] {
			found[needKey{needNewest, newestKind, conv.owned()}] = true
			m.keepNewest(conv, f.Row)
		}
	case t == plan.MessageTable:
		if need.asked(needMessage, t, key) {
			m.keepRow(t, key, f.Row)
		}
	case t == plan.ConversationTable:
		points := m.pointsToChanged(f.Row)
		if points {
			m.batch.isRelated(key)
		}
		if points || need.asked(needConversation, t, key) || need.asked(needNewest, newestKind, key) {
			found[needKey{needConversation, t, key.owned()}] = true
			m.keepRow(t, key, f.Row)
		}
		return key, points
	default:
		found[needKey{needReference, t, key.owned()}] = true
		m.keepRow(t, key, f.Row)
	}
	return related, false
}

func (m *Mapper) tableOf(role string) (plan.TableID, bool) {
	for i := range m.tables {
		if m.tables[i].Role == role {
			return plan.TableID(i), true
		}
	}
	return 0, false
}

func (m *Mapper) keepRow(t plan.TableID, key rowKey, row source.Row) {
	r := m.memory.get(t, key)
	if r != nil && r.stream && !r.none {
		// Of a row that the stream has shown only what it did not send is new.
		merged := cloneRow(r.row)
		fill(merged, row)
		if r = m.memory.put(t, key, merged, nil); r != nil {
			r.stream = true
		}
		return
	}
	if t == plan.MessageTable {
		r = m.remember(t, key, row, nil)
	} else {
		r = m.memory.put(t, key, row, nil)
	}
	if r == nil {
		return
	}
	r.stream, r.sent, r.expires = false, false, 0
	if t >= plan.FirstReference && !m.streamed[t] {
		r.expires = m.expiry()
	}
}

func (m *Mapper) keepNewest(conv rowKey, row source.Row) {
	order := int64(-1 << 63)
	if v := row[m.plan.NewestBy]; v.Kind == source.Text {
		order = convert.TimeOrder(v.Data)
	}
	if r := m.memory.get(newestKind, conv); r != nil && !r.none && r.order >= order {
		return
	}
	if r := m.remember(newestKind, conv, row, m.plan.NewestSlots); r != nil {
		r.order, r.tx, r.stream, r.sent, r.expires = order, 0, false, false, 0
	}
}

// rememberAbsent remembers, for a while, that what was asked for and not found
// does not exist.
func (m *Mapper) rememberAbsent(found map[needKey]bool) {
	for k := range m.batch.need.seen {
		if k.kind == needRelated || k.kind == needMessage || found[k] {
			continue
		}
		if r := m.memory.get(k.table, k.key.bytes()); r == nil || !r.stream {
			m.memory.putNone(k.table, k.key.bytes()).expires = m.expiry()
		}
	}
}
