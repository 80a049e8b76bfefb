package engine

import (
	"bytes"

	"chatbridge/mapping/internal/plan"
	"chatbridge/source"
)

// change reports whether a value changed.
type change uint8

const (
	same change = iota
	unknown
	changed
)

func (c change) or(d change) change { return max(c, d) }

func compareValues(a, b source.Value) change {
	switch {
	case b.Kind == source.Absent || b.Kind == source.Unchanged:
		return unknown
	case a.Kind == source.Unchanged, a.Kind == b.Kind && bytes.Equal(a.Data, b.Data):
		return same
	}
	return changed
}

// comparer tells what an UPDATE changed.
type comparer struct {
	schema
	tx     *transaction
	memory *memory
	render *renderer
	// old is the row before the change as far as the source sent it; empty when it
	// sent nothing.
	old source.Row
}

func (c *comparer) oldKey(t plan.TableID, now rowKey) rowKey { return c.oldKeyOf(t, c.old, now) }

// compareKnown compares a value with the old row's, else with the known row's.
func (c *comparer) compareKnown(row source.Row, slot int, known source.Row) change {
	if slot < len(c.old) && c.old[slot].Kind != source.Absent {
		return compareValues(row[slot], c.old[slot])
	}
	if row[slot].Kind == source.Unchanged {
		return same
	}
	if slot < len(known) {
		return compareValues(row[slot], known[slot])
	}
	return unknown
}

// counts reports whether a change makes the event again; unknownChanged is what the
// mapping says of one that is unknown.
func (c *comparer) counts(of change, unknownChanged bool) bool {
	return of == changed || of == unknown && (c.tx.restarted || unknownChanged)
}

// conversation tells what an UPDATE of a conversation changed: from the old row,
// else from the row that the clients know.
func (c *comparer) conversation(row source.Row, key rowKey) (due, typing bool) {
	oldKey := c.oldKey(plan.ConversationTable, key)
	known := c.memory.known(plan.ConversationTable, oldKey)
	var visible change
	for slot, v := range c.plan.VisibleSlots[plan.ConversationTable] {
		if v {
			visible = visible.or(c.compareKnown(row, slot, known))
		}
	}
	if !oldKey.equal(key) { // new to those who see it under this key
		visible = changed
	} else if visible == changed && !c.plan.Conversation.Listed && !c.conversationDiffers(row, known) {
		visible = same
	}
	if c.plan.Typing != nil {
		typing = c.typing(row, known)
	}
	c.memory.dropOld(plan.ConversationTable, c.old, oldKey, key)
	return c.counts(visible, c.plan.Conversation.UnknownChanged), typing
}

// conversationDiffers reports whether the event of the new row differs from that
// of the old or the known one. What would have to be looked up counts as the
// same in both. It says true where neither row is complete.
func (c *comparer) conversationDiffers(row, known source.Row) bool {
	was := c.old
	if !complete(was) {
		was = known
	}
	return !complete(was) || !complete(row) || c.render.conversationsDiffer(was, row)
}

// typing reports whether is_typing became another thing; null is false.
func (c *comparer) typing(row source.Row, known source.Row) bool {
	slot := c.plan.TypingSlot
	if c.compareKnown(row, slot, known) != changed {
		return false
	}
	was := c.old
	if slot >= len(was) || was[slot].Kind == source.Absent {
		was = known
	}
	return plan.IsTrue(row[slot].Data) != plan.IsTrue(was[slot].Data)
}

// reference reports whether an UPDATE of a reference changed what conversations show
// of it.
func (c *comparer) reference(t plan.TableID, row source.Row, key rowKey) bool {
	known := c.memory.known(t, key)
	var visible change
	for slot, v := range c.plan.ReferenceSlots[t-plan.FirstReference] {
		if v {
			visible = visible.or(c.compareKnown(row, slot, known))
		}
	}
	return c.counts(visible, c.schema.reference(t).UnknownChanged)
}
