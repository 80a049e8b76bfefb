package mapping

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"slices"

	"chatbridge/source"
)

// flush ends a batch: it asks for what the batch lacks, in one call, emits the
// events that waited, then the conversations, then those of the references
// that changed.
func (m *Mapper) flush(emit Emit) error {
	done, err := m.sendConversations(0, len(m.batch.waiting) == 0, emit)
	if err != nil {
		return err
	}
	related := m.fetch()
	m.batch.asked = true
	if err := m.sendWaiting(emit); err != nil {
		return err
	}
	if _, err := m.sendConversations(done, true, emit); err != nil {
		return err
	}
	if err := m.sendRelated(related, emit); err != nil {
		return err
	}
	m.batch.end()
	return nil
}

// sendConversations emits the conversations that are due, from the from-th
// on, until one lacks something. The rest, or all unless send is true, is only
// tried, to learn what else is lacking. It returns how many are done with.
func (m *Mapper) sendConversations(from int, send bool, emit Emit) (done int, err error) {
	done = from
	b := &m.batch
	for i := from; i < len(b.touched); i++ {
		t := &b.touched[i]
		o := impossible
		if t.due {
			m.trying = !send
			o = m.makeConversation(t, b.base+2*b.rows+t.first)
			m.trying = false
		}
		if o == lacking {
			send = false
		}
		if !send {
			continue
		}
		if t.due {
			m.owedOrPaid(Conversation, conversationTable, t.rowKey, nil, o)
		}
		if done = i + 1; o == made {
			if err := m.deliverConversation(emit); err != nil {
				return done, err
			}
		}
	}
	return done, nil
}

// deliverConversation emits m.event, a conversation, and remembers that the
// clients know of it.
func (m *Mapper) deliverConversation(emit Emit) error {
	if m.told != nil {
		m.told.sent = true
	}
	return m.deliver(&m.event, emit)
}

// sendWaiting emits the events that waited, in order.
func (m *Mapper) sendWaiting(emit Emit) error {
	for i := range m.batch.waiting {
		w := &m.batch.waiting[i]
		o := made
		switch {
		case w.ready:
			m.event = w.event
		case w.kind == Message:
			if r := m.memory.get(messageTable, m.messageKey(w.row)); r != nil && !r.none {
				fill(w.row, r.row)
			}
			o = m.makeMessage(w.row, w.index)
			m.owedOrPaid(Message, messageTable, m.messageKey(w.row), w.row, o)
		case w.kind == MessageStatus:
			if o = m.makeStatus(w.row, w.index); m.env.short {
				m.owe(MessageStatus, messageTable, m.messageKey(w.row), w.row, o)
			}
		default:
			o = m.makeTyping(w.row, w.index)
		}
		if o != made {
			continue
		}
		if err := m.deliver(&m.event, emit); err != nil {
			return err
		}
	}
	return nil
}

// fetch makes the batch's lookup, if it lacks anything, and remembers what it
// found. It returns the conversations that point to changed references.
func (m *Mapper) fetch() []rowKey {
	b := &m.batch
	for _, c := range b.changed {
		if m.opts.Lookup != nil {
			m.lookUp(needRelated, c.table, c.key)
		}
	}
	if b.need.Empty() {
		return m.relatedInMemory()
	}
	var related []rowKey
	found := map[needKey]bool{}
	m.counters.batches.Add(1)
	err := m.opts.Lookup.Fetch(&b.need.Need, func(f Found) {
		if key, ok := m.keep(f, found); ok {
			related = append(related, key.owned().bytes())
		}
	})
	m.lookupError = err
	m.batch.failed = err != nil
	m.counters.failing.Store(err != nil)
	for _, c := range b.changed {
		m.owedOrPaidReference(c)
	}
	switch {
	case err == nil:
		m.rememberAbsent(found)
		return related
	case errors.Is(err, context.DeadlineExceeded):
		m.counters.timeouts.Add(1)
	default:
		m.counters.errors.Add(1)
	}
	return append(related, m.relatedInMemory()...)
}

// keep remembers a row that was found, unless the stream has shown it: the
// stream's rows are in order with its events, what was read now may be ahead.
// It returns the key of a conversation that points to a changed reference.
// Rows that were not asked for are left: a Lookup may answer with rows of the
// same keys in other workspaces.
func (m *Mapper) keep(f Found, found map[needKey]bool) (related rowKey, ok bool) {
	t, ok := m.tableOf(f.Table)
	if !ok || len(f.Row) != len(m.spec.tables[t].Columns) {
		return related, false
	}
	key, ok := m.rowKeyOf(t, f.Row)
	if !ok {
		return related, false
	}
	need := &m.batch.need
	switch {
	case t == messageTable && f.Newest:
		conv := rowKey{key.workspace, f.Row[m.spec.message.conversation].Data}
		if need.asked(needNewest, newestKind, conv) || m.batch.related[conv.owned()] {
			found[needKey{needNewest, newestKind, conv.owned()}] = true
			m.keepNewest(conv, f.Row)
		}
	case t == messageTable:
		if need.asked(needMessage, t, key) {
			m.keepRow(t, key, f.Row)
		}
	case t == conversationTable:
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

func (m *Mapper) tableOf(role string) (tableID, bool) {
	for i := range m.spec.tables {
		if m.spec.tables[i].Role == role {
			return tableID(i), true
		}
	}
	return 0, false
}

func (m *Mapper) keepRow(t tableID, key rowKey, row source.Row) {
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
	if r = m.memory.put(t, key, row, nil); r == nil {
		return
	}
	r.stream, r.sent, r.expires = false, false, 0
	if t >= firstReference && !m.streamed[t] {
		r.expires = m.expiry()
	}
}

func (m *Mapper) keepNewest(conv rowKey, row source.Row) {
	order := int64(-1 << 63)
	if v := row[m.spec.newestBy]; v.Kind == source.Text {
		order = timeOrder(v.Data)
	}
	if r := m.memory.get(newestKind, conv); r != nil && !r.none && r.order >= order {
		return
	}
	if r := m.memory.put(newestKind, conv, row, m.spec.newestSlots); r != nil {
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

func (m *Mapper) pointsToChanged(conversation source.Row) bool {
	for _, c := range m.batch.changed {
		by := m.reference(c.table).by
		v := rowKey{key: m.keyOf(conversation, by.slot)}
		if m.spec.tables[c.table].Workspace >= 0 {
			v.workspace = m.keyOf(conversation, m.spec.conversation.workspace)
		}
		if v.key != nil && v.equal(c.key) {
			return true
		}
	}
	return false
}

// relatedInMemory finds the conversations of changed references among those
// that are remembered, for when nobody can be asked.
func (m *Mapper) relatedInMemory() []rowKey {
	if len(m.batch.changed) == 0 {
		return nil
	}
	var out []rowKey
	for key, r := range m.memory.rows[conversationTable] {
		if !r.none && m.pointsToChanged(r.row) {
			out = append(out, key.bytes())
		}
	}
	return out
}

// sendRelated emits the conversations whose reference changed, in the order of
// their keys, without those that the batch sent anyway.
func (m *Mapper) sendRelated(keys []rowKey, emit Emit) error {
	slices.SortFunc(keys, func(a, b rowKey) int {
		return cmp.Or(bytes.Compare(a.key, b.key), bytes.Compare(a.workspace, b.workspace))
	})
	keys = slices.CompactFunc(keys, rowKey.equal)
	b := &m.batch
	index := b.base + 3*b.rows
	limit := index + RelatedLimit*b.referenceRows
	for _, key := range keys {
		if i := b.find(key); i >= 0 && b.touched[i].due {
			continue
		}
		if index == limit {
			return nil
		}
		t := touched{rowKey: key}
		o := m.makeConversation(&t, index)
		m.owedOrPaid(Conversation, conversationTable, key, nil, o)
		if o != made {
			continue
		}
		index++
		if err := m.deliverConversation(emit); err != nil {
			return err
		}
	}
	return nil
}
