package engine

import (
	"bytes"

	"chatbridge/mapping/internal/plan"
	"chatbridge/source"
)

// maxKept is the longest value, and the longest key, that is remembered: ids
// are a tenth of it.
const maxKept = 512

// keptValues are values that messages' rows had before, of at most limit
// messages; those of the messages that were put first go first.
type keptValues struct {
	values map[string][]byte
	// ids are the keys of values in the order in which they were put, a ring.
	ids   []string
	next  int
	limit int
	id    []byte
}

func (k *keptValues) init(limit int) { *k = keptValues{values: map[string][]byte{}, limit: limit} }

func (k *keptValues) get(n uint8, key rowKey) ([]byte, bool) {
	if len(k.values) == 0 {
		return nil, false
	}
	k.id = append(appendID(k.id[:0], key), n)
	v, ok := k.values[string(k.id)]
	return v, ok
}

func (k *keptValues) put(n uint8, key rowKey, value []byte) {
	if known, ok := k.get(n, key); ok && bytes.Equal(known, value) {
		return
	} else if len(value) > maxKept || len(key.key)+len(key.workspace) > maxKept {
		k.drop(n, key)
		return
	} else if ok {
		k.values[string(k.id)] = bytes.Clone(value)
		return
	}
	id := string(append(appendID(k.id[:0], key), n))
	if len(k.ids) < k.limit {
		k.ids = append(k.ids, id)
	} else {
		delete(k.values, k.ids[k.next])
		k.ids[k.next] = id
		k.next = (k.next + 1) % k.limit
	}
	k.values[id] = bytes.Clone(value)
}

func (k *keptValues) drop(n uint8, key rowKey) {
	if len(k.values) > 0 {
		delete(k.values, string(append(appendID(k.id[:0], key), n)))
	}
}

// dropKept forgets all values of a row that is gone.
func (m *Mapper) dropKept(key rowKey) {
	for n := range m.plan.Kept {
		m.kept.drop(uint8(n), key)
	}
}

// findKept finds what a message's row had before.
func (m *Mapper) FindKept(e *plan.Env, n uint8) ([]byte, bool) {
	row := e.Rows[plan.MessageTable]
	if row == nil || len(m.kept.values) == 0 {
		return nil, false
	}
	return m.kept.get(n, m.messageKey(row))
}

// keepValues remembers what the message's row had and has no more: from the
// old row, else from what was remembered under the key that the row had. Where
// old rows do not come whole, what the row has now is remembered for later.
func (m *Mapper) keepValues(b *binding, op source.Op, row source.Row, id rowKey) {
	for n, x := range m.plan.Kept {
		if n == m.plan.StatusKept && m.oldKeyOf(plan.MessageTable, id).equal(id) {
			continue // statusDiffers finds out, and keeps it
		}
		now, ok := m.quietText(x, row)
		switch {
		case ok && (b.full || n == m.plan.StatusKept): // of the latter fingerprints tell
		case ok:
			m.kept.put(uint8(n), id, now)
		case op == source.Update:
			m.keepOld(uint8(n), x, id)
		}
	}
}

func (m *Mapper) keepOld(n uint8, x plan.Expr, id rowKey) {
	was := m.oldKeyOf(plan.MessageTable, id)
	old, ok := []byte(nil), false
	if allSent(m.old, m.plan.Message.Workspace, m.plan.Message.Conversation) {
		old, ok = m.quietText(x, m.old)
	}
	if !ok && int(n) == m.plan.StatusKept {
		old, ok = m.statusBefore(was)
	}
	if !ok && !was.equal(id) {
		old, ok = m.kept.get(n, was)
		m.kept.drop(n, was)
	}
	if ok {
		m.kept.put(n, id, old)
	}
}

// allSent tells that a row has those columns.
func allSent(row source.Row, slots ...int) bool {
	for _, slot := range slots {
		if slot >= len(row) || row[slot].Kind != source.Text {
			return false
		}
	}
	return true
}

// quietText evaluates an expression of a message's row without counting
// anything or asking for rows.
func (m *Mapper) quietText(x plan.Expr, row source.Row) ([]byte, bool) {
	m.beginMessage(row)
	m.env.Quiet = true
	s, ok := x.Text(&m.env)
	m.env.Quiet = false
	return s, ok
}
