package engine

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"slices"

	"chatbridge/mapping/contract"
	"chatbridge/mapping/internal/plan"
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
		if t.due && (m.env.Short || m.owes()) {
			m.owedOrPaid(contract.Conversation, plan.ConversationTable, t.rowKey, nil, o)
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
		case w.kind == contract.Message:
			m.fillRemembered(w.row)
			o = m.makeMessage(w.row, w.index)
			m.owedOrPaid(contract.Message, plan.MessageTable, m.messageKey(w.row), w.row, o)
		case w.kind == contract.MessageStatus:
			if o = m.makeStatus(w.row, w.index); m.env.Short {
				m.owe(contract.MessageStatus, plan.MessageTable, m.messageKey(w.row), w.row, o)
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
	if m.lookupError = err; err == nil {
		m.successes++
	}
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

func (m *Mapper) pointsToChanged(conversation source.Row) bool {
	for _, c := range m.batch.changed {
		by := m.reference(c.table).By
		v := rowKey{key: m.keyOf(conversation, by.Slot)}
		if m.tables[c.table].Workspace >= 0 {
			v.workspace = m.keyOf(conversation, m.plan.Conversation.Workspace)
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
	for _, r := range m.memory.rows[plan.ConversationTable] {
		if !r.none && m.pointsToChanged(r.row) {
			out = append(out, r.key.bytes())
		}
	}
	return out
}

// inOrder sorts keys, each once.
func inOrder(keys []rowKey) []rowKey {
	slices.SortFunc(keys, func(a, b rowKey) int {
		return cmp.Or(bytes.Compare(a.key, b.key), bytes.Compare(a.workspace, b.workspace))
	})
	return slices.CompactFunc(keys, rowKey.equal)
}

// sendRelated emits the conversations whose reference changed, in the order of
// their keys, without those that the batch sent anyway.
func (m *Mapper) sendRelated(keys []rowKey, emit Emit) error {
	keys = inOrder(keys)
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
		m.owedOrPaid(contract.Conversation, plan.ConversationTable, key, nil, o)
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
