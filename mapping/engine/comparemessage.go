package engine

import (
	"chatbridge/mapping/internal/plan"
	"chatbridge/source"
)

// messageChange is what an UPDATE of a message changed.
type messageChange struct {
	status  bool
	other   bool // of the message's event
	preview bool // of what conversations show of it
	// moved: it may be another conversation's now.
	moved bool
}

// message tells what an UPDATE of a message changed: from the old row, else from
// the fingerprint of the last state. Where neither knows, the status counts as
// changed and the rest as not (or as the mapping's `unknown:` says). full tells
// that old rows come with all columns.
func (c *comparer) message(full bool, row source.Row, id rowKey) (out messageChange) {
	was := c.oldKey(plan.MessageTable, id)
	hashes := c.memory.fingerprints.get(was)
	keeps := !full || !was.equal(id)
	var status, follow, other, preview change
	for slot, use := range c.plan.Uses {
		if use == 0 {
			continue
		}
		of := c.compareSlot(row, slot, hashes)
		if of == same {
			continue
		}
		switch {
		case use&plan.UseStatus != 0:
			status = status.or(of)
		case use&plan.UseVisible == 0:
		case use&plan.UseFollow != 0:
			follow = follow.or(of)
		default:
			other = other.or(of)
		}
		if use&plan.UsePreview != 0 {
			preview = preview.or(of)
		}
		keeps = keeps || use&plan.UseKept != 0
	}
	if keeps {
		c.keepValues(full, source.Update, row, id)
	}
	switch status {
	case unknown:
		out.status = true
	case changed:
		out.status = c.statusDiffers(row, id, hashes)
	}
	if !out.status {
		other = other.or(follow)
	}
	out.other = c.counts(other, c.plan.Message.UnknownChanged)
	if other == changed && !c.plan.Message.Listed && complete(c.old) {
		out.other = c.render.messagesDiffer(c.old, row)
	}
	out.moved = preview != same
	out.preview = c.counts(preview, c.plan.Message.UnknownChanged)
	if preview == changed && complete(c.old) && c.compareSlot(row, c.plan.NewestBy, hashes) == same {
		out.preview = c.render.previewsDiffer(c.old, row)
	}
	return out
}

func (c *comparer) compareSlot(row source.Row, slot int, hashes []uint64) change {
	if row[slot].Kind == source.Unchanged {
		return same
	}
	if slot < len(c.old) && c.old[slot].Kind != source.Absent {
		return compareValues(row[slot], c.old[slot])
	}
	if hashes == nil || hashes[slot] == hashUnknown {
		return unknown
	}
	if hashes[slot] == c.memory.fingerprints.hash(row[slot]) {
		return same
	}
	return changed
}

// statusDiffers compares the status in the contract's words: `sent` and
// `SERVER_ACK` are the same. One that means none differs; it is counted when the
// event is made.
func (c *comparer) statusDiffers(row source.Row, id rowKey, hashes []uint64) bool {
	now := c.render.statusOf(row)
	if now == nil {
		c.keepOld(uint8(c.plan.StatusKept), c.plan.StatusMember, id)
		return true
	}
	if complete(c.old) {
		before := string(now) // the next evaluation uses the same buffer
		return string(c.render.statusOf(c.old)) != before
	}
	if hashes == nil || hashes[len(row)+statusExtra] == hashUnknown {
		return true
	}
	return hashes[len(row)+statusExtra] != c.memory.fingerprints.hash(source.Value{Kind: source.Text, Data: now})
}

// keepValues remembers what the message's row had and has no more (`kept:`): from
// the old row, else from what was remembered under the key that the row had. Where
// old rows do not come with all columns, what the row has now is remembered for
// later.
func (c *comparer) keepValues(full bool, op source.Op, row source.Row, id rowKey) {
	for n, x := range c.plan.Kept {
		if n == c.plan.StatusKept && c.oldKey(plan.MessageTable, id).equal(id) {
			continue // statusDiffers finds out, and keeps it
		}
		now, ok := c.render.quietText(x, row)
		switch {
		case ok && (full || n == c.plan.StatusKept): // the latter is in the fingerprint
		case ok:
			c.memory.kept.put(uint8(n), id, now)
		case op == source.Update:
			c.keepOld(uint8(n), x, id)
		}
	}
}

func (c *comparer) keepOld(n uint8, x plan.Expr, id rowKey) {
	was := c.oldKey(plan.MessageTable, id)
	old, ok := []byte(nil), false
	if textAt(c.old, c.plan.Message.Workspace) != nil && textAt(c.old, c.plan.Message.Conversation) != nil {
		old, ok = c.render.quietText(x, c.old)
	}
	if !ok && int(n) == c.plan.StatusKept {
		old, ok = c.memory.statusBefore(was)
	}
	if !ok && !was.equal(id) {
		old, ok = c.memory.kept.get(n, was)
		c.memory.kept.drop(n, was)
	}
	if ok {
		c.memory.kept.put(n, id, old)
	}
}
