package engine

import (
	"math"

	"chatbridge/mapping/contract"
	"chatbridge/mapping/internal/plan"
	"chatbridge/source"
)

// A conversation event shows the newest message. A message that is edited, moved or
// deleted changes that only if it was the newest one, or is. Which one is the newest
// may have to be looked up, so it is decided when the batch ends: by then no message
// later than the changed one may be known.

// lastOrder sorts after every other order.
const lastOrder = int64(math.MaxInt64)

// showsNewest reports whether conversation events show messages other than those that
// are inserted in the same transaction.
func (s *schema) showsNewest() bool { return s.tables[plan.MessageTable].Newest >= 0 }

// orderKnown is messageOrder of a row that may lack the column: then lastOrder, because
// it may be any.
func (s *schema) orderKnown(row source.Row) int64 {
	if slot := s.plan.NewestBy; slot < len(row) && row[slot].Kind == source.Null {
		return firstOrder
	} else if slot < len(row) {
		return s.messageOrder(row, lastOrder)
	}
	return lastOrder
}

// updatedPreviews notes the conversations whose last message an UPDATE may change.
// differs reports whether conversations would show this one differently. What is touched
// depends on the row alone where old rows come in full, otherwise it is always the
// message's conversation.
func (m *Mapper) updatedPreviews(full bool, row source.Row, id, conv rowKey, differs bool) {
	old := m.compare.old
	was := conv
	if from := textAt(old, m.plan.Message.Conversation); from != nil {
		was = rowKey{m.compare.oldKey(plan.MessageTable, id).workspace, from}
	}
	moved := !was.equal(conv)
	if full && !differs && !moved {
		return
	}
	now := m.orderKnown(row)
	before := now
	if len(old) > 0 && old[m.plan.NewestBy].Kind != source.Absent {
		before = m.orderKnown(old)
	}
	t := m.send.batch.touchAt(conv, 0)
	if differs || moved {
		t.changedPreview(max(now, before))
		m.send.resolver.came(conv, row)
	}
	if moved {
		m.send.batch.touchAt(was, 1).changedPreview(before)
		m.send.resolver.left(was, m.compare.oldKey(plan.MessageTable, id).key, firstOrder)
	} else if now < before {
		m.send.resolver.left(conv, id.key, now)
	}
}

// deletedPreview notes the conversation of a deleted message, as far as the source
// tells it.
func (m *Mapper) deletedPreview(old source.Row, key rowKey) {
	if conv := textAt(old, m.plan.Message.Conversation); conv != nil && m.showsNewest() {
		from := rowKey{key.workspace, conv}
		m.send.batch.touchAt(from, 0).changedPreview(m.orderKnown(old))
		m.send.resolver.left(from, key.key, firstOrder)
	}
}

// previewDue decides about a conversation of which a message changed. It is undecided
// until the newest message has been looked up.
func (s *sender) previewDue(t *touched) (due, undecided bool) {
	if c := s.memory.rows.get(plan.ConversationTable, t.rowKey); c != nil && c.absent && s.resolver.isFresh(c) {
		return false, false // it was deleted itself
	}
	newest := s.memory.rows.get(newestKind, t.rowKey)
	switch {
	case newest != nil && !newest.absent:
		return newest.order <= t.previewOrder, false
	case newest != nil && s.resolver.isFresh(newest):
		return true, false // it has no message any more
	case s.resolver.lookup == nil:
		return false, false
	case s.resolver.state == collecting:
		s.resolver.note(needNewest, newestKind, t.rowKey)
		return true, true
	case s.resolver.state == failed || s.resolver.unseen.again[t.owned()]:
		s.owe(contract.Conversation, plan.ConversationTable, t.rowKey, nil, impossible)
	}
	return false, false
}

// previewsDiffer reports whether a conversation would show two states of a message
// differently.
func (r *renderer) previewsDiffer(was, now source.Row) bool {
	return r.differ(r.beginMessage, r.plan.Conversation.Members, "", was, now)
}
