package engine

import "chatbridge/source"

// unseen holds the batch's changes to conversations whose newest message is looked up,
// because the look-up may not see them yet (see mapping/lookup). Messages that left a
// conversation are in Need.Left.
type unseen struct {
	// came are conversations' messages that are changed or new there, the latest of
	// each.
	came map[RowKey]source.Row
	// again are conversations of which a message was found that left.
	again map[RowKey]bool
}

// left notes that a message left a conversation, or that its order fell to now. came
// notes that a message is new in one, or changed; not those that are read back late,
// which come from the tables that the look-up reads.
func (r *resolver) left(conv rowKey, message []byte, now int64) {
	c := r.memory.rows.get(newestKind, conv)
	if r.lookup == nil || c != nil && (c.absent || string(c.row[r.plan.Message.Key].Data) != string(message)) {
		return
	}
	if r.need.Left == nil {
		r.need.Left = map[Leaving]int64{}
	}
	r.need.Left[Leaving{conv.owned(), string(message)}] = now
}

func (r *resolver) came(conv rowKey, row source.Row) {
	if r.lookup == nil || r.tx.late || r.memory.rows.get(newestKind, conv) != nil || !complete(row) {
		return
	}
	if r.unseen.came == nil {
		r.unseen.came = map[RowKey]source.Row{}
	}
	key := conv.owned()
	if known := r.unseen.came[key]; known == nil || r.messageOrder(known, firstOrder) <= r.messageOrder(row, firstOrder) {
		r.unseen.came[key] = cloneRow(row)
	}
}

// hasLeft reports whether the look-up found a message in a conversation that it has left.
func (r *resolver) hasLeft(conv rowKey, found source.Row) bool {
	if len(r.need.Left) == 0 {
		return false
	}
	now, left := r.need.Left[Leaving{conv.owned(), string(found[r.plan.Message.Key].Data)}]
	if !left || r.messageOrder(found, firstOrder) <= now {
		return false
	}
	if r.unseen.again == nil {
		r.unseen.again = map[RowKey]bool{}
	}
	r.unseen.again[conv.owned()] = true
	return true
}

// rememberCame remembers what came, unless what was found is later.
func (r *resolver) rememberCame() {
	for key, row := range r.unseen.came {
		r.memory.insertedMessage(row, key.bytes())
	}
}
