package engine

import (
	"context"
	"errors"

	"chatbridge/mapping/internal/plan"
	"chatbridge/source"
)

// fetch makes the batch's look-up, if it needs any, and remembers what it found.
// It returns the conversations that point to the changed references.
func (r *resolver) fetch(changed []referenceKey) []rowKey {
	r.changed = changed
	if r.lookup != nil {
		for _, c := range changed {
			r.note(needRelated, c.table, c.key)
		}
	}
	if r.need.Empty() {
		r.state = unasked
		return r.relatedInMemory()
	}
	return r.ask()
}

// ask makes the look-up of what was noted.
func (r *resolver) ask() (related []rowKey) {
	found := map[needKey]bool{}
	r.counters.batches.Add(1)
	r.err = r.lookup.Fetch(&r.need.Need, func(f Found) {
		if key, ok := r.found(f, found); ok {
			related = append(related, key.owned().bytes())
		}
	})
	r.counters.failing.Store(r.err != nil)
	switch {
	case r.err == nil:
		r.state = answered
		r.successes++
		r.knowMany()
		r.rememberAbsent(found)
		r.rememberCame()
		return related
	case errors.Is(r.err, context.DeadlineExceeded):
		r.counters.timeouts.Add(1)
	default:
		r.counters.errors.Add(1)
	}
	r.state = failed
	return append(related, r.relatedInMemory()...)
}

// found remembers a row that was found and notes it in answers.
// It returns the key of a conversation that points to a changed reference.
// Rows that were not asked for are left: a Lookup may answer with rows of the
// same keys in other workspaces.
func (r *resolver) found(f Found, answers map[needKey]bool) (related rowKey, ok bool) {
	t, ok := r.withRole(f.Table)
	if !ok || len(f.Row) != len(r.tables[t].Columns) {
		return related, false
	}
	key, ok := r.keyOf(t, f.Row)
	if !ok {
		return related, false
	}
	switch {
	case t == plan.MessageTable && f.Newest:
		conv := rowKey{key.workspace, f.Row[r.plan.Message.Conversation].Data}
		if r.need.has(needNewest, newestKind, conv) || r.related[conv.owned()] {
			answers[needKey{needNewest, newestKind, conv.owned()}] = true
			if !r.hasLeft(conv, f.Row) {
				r.memory.putFoundNewest(conv, f.Row)
			}
		}
	case t == plan.MessageTable:
		if r.need.has(needMessage, t, key) {
			r.memory.putFound(t, key, f.Row)
		}
	case t == plan.ConversationTable:
		points := r.pointsToChanged(f.Row)
		if points {
			if r.related == nil {
				r.related = map[RowKey]bool{}
			}
			r.related[key.owned()] = true
		}
		if points || r.need.has(needConversation, t, key) || r.need.has(needNewest, newestKind, key) {
			answers[needKey{needConversation, t, key.owned()}] = true
			r.memory.putFound(t, key, f.Row)
		}
		return key, points
	case r.reference(t).Many:
		r.foundMany(t, key.workspace, f.Row)
	default:
		answers[needKey{needReference, t, key.owned()}] = true
		r.memory.putFound(t, key, f.Row)
	}
	return related, false
}

// rememberAbsent remembers, for a while, that what was asked for and not found
// does not exist.
func (r *resolver) rememberAbsent(found map[needKey]bool) {
	for k := range r.need.seen {
		if k.kind == needRelated || k.kind == needMessage || k.kind == needMany || found[k] {
			continue
		}
		if c := r.memory.rows.get(k.table, k.key.bytes()); c == nil || !c.streamed {
			r.memory.rows.putAbsent(k.table, k.key.bytes()).expires = r.memory.expiry()
		}
	}
}

func (r *resolver) pointsToChanged(conversation source.Row) bool {
	for _, c := range r.changed {
		v := rowKey{key: textAt(conversation, r.reference(c.table).By.Slot)}
		if r.tables[c.table].Workspace >= 0 {
			v.workspace = textAt(conversation, r.plan.Conversation.Workspace)
		}
		if v.key != nil && v.equal(c.key) {
			return true
		}
	}
	return false
}

// relatedInMemory finds the conversations of changed references among those
// that are remembered, for when nobody can be asked.
func (r *resolver) relatedInMemory() []rowKey {
	if len(r.changed) == 0 {
		return nil
	}
	var out []rowKey
	for _, c := range r.memory.rows.rows[plan.ConversationTable] {
		if !c.absent && r.pointsToChanged(c.row) {
			out = append(out, c.key.bytes())
		}
	}
	return out
}
