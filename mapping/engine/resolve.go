package engine

import (
	"time"

	"chatbridge/mapping/internal/plan"
	"chatbridge/source"
)

// lookupState is where a batch's look-up is.
type lookupState uint8

const (
	// collecting: what the batch needs is noted.
	collecting lookupState = iota
	// unasked: there was nothing to ask, or nobody. What is not known stays so.
	unasked
	// answered: the look-up was made.
	answered
	// failed: it was made, and failed.
	failed
)

// resolver finds the rows that an event's own row refers to: in memory, or by a
// look-up, one for all that a batch needs. It is the plan.Finder of the renderer.
type resolver struct {
	schema
	tx       *transaction
	memory   *memory
	counters *counters
	lookup   Lookup // nil for none

	need  needs
	state lookupState
	// changed are the references whose conversations the batch needs, related the
	// conversations that were found to point to them.
	changed []referenceKey
	related map[RowKey]bool
	unseen  unseen
	many    many
	// err is why the latest look-up failed, successes how many did not.
	err       error
	successes uint64

	// refreshed is when old rows were last looked up, by tx.now; stale are those
	// for the next time. all lets old rows be looked up at once.
	refreshed int64
	stale     map[needKey]bool
	all       bool
}

// referenceKey is a row of a reference.
type referenceKey struct {
	table plan.TableID
	key   rowKey
}

// reset starts the next batch.
func (r *resolver) reset() {
	r.need.reset()
	r.state, r.changed, r.related, r.unseen, r.many = collecting, nil, nil, unseen{}, many{}
}

// FindRow finds the row of a table that hangs on the rows that an expression
// started with: the message's conversation, the conversation's newest message,
// or what one of their columns refers to.
func (r *resolver) FindRow(e *plan.Env, t plan.TableID) source.Row {
	switch t {
	case plan.MessageTable:
		return r.newestMessage(e)
	case plan.ConversationTable:
		if c := r.recall(e, t, needConversation, rowKey{e.Workspace, e.Conversation}); c != nil {
			return c.row
		}
		return nil
	}
	if r.reference(t).Many {
		if rows := r.FindRows(e, t); len(rows) > 0 {
			return rows[0]
		}
		return nil
	}
	by := r.reference(t).By
	from := e.Row(by.Table)
	if from == nil {
		return nil
	}
	v := from[by.Slot]
	if v.Kind == source.Unchanged {
		e.Unsent |= 1 << by.Table
	}
	if v.Kind != source.Text {
		return nil
	}
	key := rowKey{key: v.Data}
	if r.tables[t].Workspace >= 0 {
		key.workspace = e.Workspace
	}
	if c := r.recall(e, t, needReference, key); c != nil {
		return c.row
	}
	return nil
}

// newestMessage finds the message that `message.` means in a conversation: the
// newest one, or with `last_message: inserted` the one that this transaction
// inserted.
func (r *resolver) newestMessage(e *plan.Env) source.Row {
	var c *cachedRow
	conversation := rowKey{e.Workspace, e.Conversation}
	if r.plan.InsertedOnly {
		if c = r.memory.rows.get(newestKind, conversation); c == nil || c.absent || c.tx != r.tx.seq {
			return nil
		}
	} else if c = r.recall(e, newestKind, needNewest, conversation); c == nil {
		return nil
	}
	e.Cut = e.Cut || c.cut
	return c.row
}

// FindKept finds what a message's row had before.
func (r *resolver) FindKept(e *plan.Env, n uint8) ([]byte, bool) {
	row := e.Rows[plan.MessageTable]
	if row == nil || len(r.memory.kept.values) == 0 {
		return nil, false
	}
	return r.memory.kept.get(n, r.messageKey(row))
}

// recall returns a row from memory. When it is not there, or has been there
// for too long, it is noted as needed and e.Missed is set; once the look-up
// was made an old row is better than none.
func (r *resolver) recall(e *plan.Env, kind plan.TableID, need needKind, key rowKey) *cachedRow {
	c := r.memory.rows.get(kind, key)
	if c != nil && r.isFresh(c) || c != nil && !c.absent && r.postpone(e, need, kind, key) {
		r.counters.hits.Add(1)
	} else if r.lookUp(e, need, kind, key) {
		e.Missed = true
		return nil
	}
	if c == nil || c.absent {
		return nil
	}
	return c
}

// isFresh reports whether a row need not be looked up again yet.
func (r *resolver) isFresh(c *cachedRow) bool { return c.expires == 0 || r.tx.now < c.expires }

// refreshEvery is the shortest time, in commit time, between two look-ups that
// are made only because rows grew old, and maxStale how many of them are
// remembered for the next one. With a thousand busy conversations the stream
// would otherwise stand still a thousand times a minute; over PostgREST, at
// 50 to 100 ms each, for longer than it has.
const (
	refreshEvery = int64(time.Second)
	maxStale     = 256
)

// postpone reports whether an old row is good enough for now. It is then looked up
// together with others.
func (r *resolver) postpone(e *plan.Env, need needKind, kind plan.TableID, key rowKey) bool {
	if r.lookup == nil || r.state != collecting || r.all || e.Quiet || !r.need.Empty() {
		return false
	}
	if r.tx.now-r.refreshed < refreshEvery {
		if len(r.stale) < maxStale {
			r.stale[needKey{need, kind, key.owned()}] = true
		}
		return true
	}
	r.refreshed = r.tx.now
	for k := range r.stale {
		r.note(k.kind, k.table, k.key.bytes())
	}
	clear(r.stale)
	return false
}

// readBack notes the rows whose values were needed and not sent; false when
// they cannot be had. key is that of the row of table of that the event is of.
func (r *resolver) readBack(e *plan.Env, of plan.TableID, key rowKey) bool {
	ok := true
	for t := range plan.TableID(len(r.tables)) {
		if e.Unsent&(1<<t) == 0 {
			continue
		}
		switch t {
		case plan.MessageTable:
			ok = of == plan.MessageTable && r.lookUp(e, needMessage, t, key) && ok
		case plan.ConversationTable:
			ok = r.lookUp(e, needConversation, t, rowKey{e.Workspace, e.Conversation}) && ok
		default:
			row, has := r.keyOf(t, e.Rows[t])
			ok = has && r.lookUp(e, needReference, t, row) && ok
		}
	}
	return ok
}

// lookUp notes that a row is needed; false when there is nobody to ask, or the
// batch has asked already.
func (r *resolver) lookUp(e *plan.Env, kind needKind, t plan.TableID, key rowKey) bool {
	if e.Quiet {
		return false
	}
	if r.lookup == nil || r.state != collecting {
		r.counters.unanswered.Add(1)
		e.LookupFailed = e.LookupFailed || r.state == failed
		return false
	}
	r.note(kind, t, key)
	return true
}

// note notes that a row is needed.
func (r *resolver) note(kind needKind, t plan.TableID, key rowKey) {
	role := ""
	if t >= plan.FirstReference && t < newestKind {
		role = r.tables[t].Role
	}
	if r.need.add(kind, t, role, key) {
		r.counters.misses.Add(1)
	}
}
