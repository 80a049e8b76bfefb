package engine

import (
	"time"

	"chatbridge/mapping/internal/plan"
	"chatbridge/source"
)

// findRow finds the row of a table that hangs on the rows that an expression
// started with: the message's conversation, the conversation's newest message,
// or what one of their columns refers to.
func (m *Mapper) FindRow(e *plan.Env, t plan.TableID) source.Row {
	switch t {
	case plan.MessageTable:
		return m.newestMessage()
	case plan.ConversationTable:
		if r := m.recall(plan.ConversationTable, needConversation, m.conversation); r != nil {
			return r.row
		}
		return nil
	}
	by := m.reference(t).By
	from := e.Row(by.Table)
	if from == nil {
		return nil
	}
	v := from[by.Slot]
	if v.Kind == source.Unchanged {
		e.Toast |= 1 << by.Table
	}
	if v.Kind != source.Text {
		return nil
	}
	key := rowKey{key: v.Data}
	if m.tables[t].Workspace >= 0 {
		key.workspace = m.conversation.workspace
	}
	if r := m.recall(t, needReference, key); r != nil {
		return r.row
	}
	return nil
}

// newestMessage finds the message that `message.` means in a conversation: the
// newest one, or with `last_message: inserted` the one that this transaction
// inserted.
func (m *Mapper) newestMessage() source.Row {
	var r *remembered
	if m.plan.InsertedOnly {
		if r = m.memory.get(newestKind, m.conversation); r == nil || r.none || r.tx != m.txSeq {
			return nil
		}
	} else if r = m.recall(newestKind, needNewest, m.conversation); r == nil {
		return nil
	}
	m.env.Cut = m.env.Cut || r.cut
	return r.row
}

// recall returns a row from memory. When it is not there, or has been there
// for too long, it is noted as needed and m.env.missed is set; once the lookup
// was made an old row is better than none.
func (m *Mapper) recall(kind plan.TableID, need uint8, key rowKey) *remembered {
	r := m.memory.get(kind, key)
	fresh := r != nil && (r.expires == 0 || m.now < r.expires)
	if fresh || r != nil && !r.none && m.postpone(need, kind, key) {
		m.counters.hits.Add(1)
	} else if m.lookUp(need, kind, key) {
		m.env.Missed = true
		return nil
	}
	if r == nil || r.none {
		return nil
	}
	return r
}

// refreshEvery is the shortest time, in commit time, between two lookups that
// are made only because rows grew old, and maxStale how many of them are
// remembered for the next one. With a thousand busy conversations the stream
// would otherwise stand still a thousand times a minute; over PostgREST, at
// 50 to 100 ms each, for longer than it has.
const (
	refreshEvery = int64(time.Second)
	maxStale     = 256
)

// postpone tells that an old row is good enough for now. It is then looked up
// together with others.
func (m *Mapper) postpone(need uint8, kind plan.TableID, key rowKey) bool {
	if m.opts.Lookup == nil || m.batch.asked || m.settling || m.env.Quiet || !m.batch.need.Empty() {
		return false
	}
	if m.now-m.refreshed < refreshEvery {
		if len(m.stale) < maxStale {
			m.stale[needKey{need, kind, key.owned()}] = true
		}
		return true
	}
	m.refreshed = m.now
	for k := range m.stale {
		m.lookUp(k.kind, k.table, k.key.bytes())
	}
	clear(m.stale)
	return false
}

// readBack notes the rows whose values were needed and not sent; false when
// they cannot be had. key is that of the row of table of that the event is of.
func (m *Mapper) readBack(of plan.TableID, key rowKey) bool {
	ok := true
	for t := range plan.TableID(len(m.tables)) {
		if m.env.Toast&(1<<t) == 0 {
			continue
		}
		switch t {
		case plan.MessageTable:
			ok = of == plan.MessageTable && m.lookUp(needMessage, t, key) && ok
		case plan.ConversationTable:
			ok = m.lookUp(needConversation, t, m.conversation) && ok
		default:
			row, whole := m.rowKeyOf(t, m.env.Rows[t])
			ok = whole && m.lookUp(needReference, t, row) && ok
		}
	}
	return ok
}

// lookUp notes that a row is needed; false when there is nobody to ask, or the
// batch has asked already.
func (m *Mapper) lookUp(kind uint8, t plan.TableID, key rowKey) bool {
	if m.env.Quiet {
		return false
	}
	if m.opts.Lookup == nil || m.batch.asked {
		m.counters.unanswered.Add(1)
		m.env.Short = m.env.Short || m.batch.failed
		return false
	}
	role := ""
	if t >= plan.FirstReference && t < newestKind {
		role = m.tables[t].Role
	}
	if m.batch.need.add(kind, t, role, key) {
		m.counters.misses.Add(1)
	}
	return true
}
