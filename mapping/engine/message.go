package engine

import (
	"bytes"

	"chatbridge/mapping/internal/convert"
	"chatbridge/mapping/internal/plan"
	"chatbridge/source"
)

// largeRow is the size from which a message's values may be stored out of
// line, so that an UPDATE may come without them: Postgres's
// TOAST_TUPLE_THRESHOLD is about 2,032 bytes, after compression.
const largeRow = 2000

// messageChange maps an INSERT or UPDATE of a message. An INSERT gives
// message, and conversation at the end of the batch; an UPDATE messageStatus
// when the status changed, and message again when anything else visible did.
func (m *Mapper) messageChange(b *binding, op source.Op, index uint32, emit Emit) error {
	row := m.cur
	id, conv, ws, ok := m.messageKeys(row)
	if !ok {
		return nil
	}
	if op == source.Insert {
		if !b.full {
			m.keepValues(b, op, row, rowKey{ws, id})
		}
		m.rememberMessage(b, row, rowKey{ws, id}, true)
		m.insertedMessage(row, rowKey{ws, conv})
		if m.owes() {
			m.updateDebt(row, rowKey{ws, id}, rowKey{ws, id})
		}
		m.batch.touch(rowKey{ws, conv}, true)
		return m.emitMessage(row, index, emit)
	}
	statusChanged, otherChanged := m.compareMessage(b, row, rowKey{ws, id})
	m.rememberMessage(b, row, rowKey{ws, id}, false)
	m.updatedMessage(row, rowKey{ws, id}, rowKey{ws, conv})
	if m.owes() {
		m.updateDebt(row, m.oldKeyOf(plan.MessageTable, rowKey{ws, id}), rowKey{ws, id})
	}
	if !statusChanged && !otherChanged {
		m.skip(skipUnchanged)
		return nil
	}
	if statusChanged {
		if err := m.emitStatus(row, index, emit); err != nil {
			return err
		}
	}
	if otherChanged {
		return m.emitMessage(row, index+1, emit)
	}
	return nil
}

// messageKeys returns what every event of a message needs. Keys are never
// stored out of line.
func (m *Mapper) messageKeys(row source.Row) (id, conv, ws []byte, ok bool) {
	s := &m.plan.Message
	id = row[s.Key].Data
	switch {
	case row[s.Key].Kind != source.Text || len(id) == 0:
		m.fail(failKey, plan.MessageTable, nil, "", "a message without a key cannot be sent")
	case row[s.Workspace].Kind != source.Text || len(row[s.Workspace].Data) == 0:
		m.fail(failWorkspace, plan.MessageTable, id, "", "a message without a workspace goes to nobody: fill the column "+m.columnName(plan.MessageTable, s.Workspace))
	case row[s.Conversation].Kind != source.Text || len(row[s.Conversation].Data) == 0:
		m.fail(failConversation, plan.MessageTable, id, "", "a message without a conversation cannot be shown: fill the column "+m.columnName(plan.MessageTable, s.Conversation))
	default:
		return id, row[s.Conversation].Data, row[s.Workspace].Data, true
	}
	return nil, nil, nil, false
}

// messageKey is the key of a message's row that has passed messageKeys.
func (m *Mapper) messageKey(row source.Row) rowKey {
	return rowKey{row[m.plan.Message.Workspace].Data, row[m.plan.Message.Key].Data}
}

func (m *Mapper) columnName(t plan.TableID, slot int) string { return m.tables[t].Columns[slot].Name }

// compareMessage tells what an UPDATE changed: from the old row, else from the
// fingerprint of the last state. Where neither knows, the status counts as
// changed and the rest as not (or as the mapping's `unknown:` says).
func (m *Mapper) compareMessage(b *binding, row source.Row, id rowKey) (status, other bool) {
	was := m.oldKeyOf(plan.MessageTable, id)
	prints := m.prints.get(was)
	keeps := !b.full || !was.equal(id)
	var raw [3]change
	const statusPart, followPart, otherPart = 0, 1, 2
	for slot := range row {
		if m.plan.KeptSlots[slot] && !keeps {
			keeps = m.compareSlot(row, slot, prints) != same
		}
		part := otherPart
		switch {
		case m.plan.StatusSlots[slot]:
			part = statusPart
		case !m.plan.VisibleSlots[plan.MessageTable][slot]:
			continue
		case m.plan.FollowSlots[slot]:
			part = followPart
		}
		raw[part] = raw[part].or(m.compareSlot(row, slot, prints))
	}
	if keeps {
		m.keepValues(b, source.Update, row, id)
	}
	switch raw[statusPart] {
	case unknown:
		status = true
	case changed:
		status = m.statusDiffers(row, id, prints)
	}
	otherChange := raw[otherPart]
	if !status {
		otherChange = otherChange.or(raw[followPart])
	}
	switch otherChange {
	case unknown:
		other = m.again || m.plan.Message.UnknownChanged
	case changed:
		other = m.plan.Message.Listed || !m.oldKnown() || m.payloadDiffers(row)
	}
	return status, other
}

// change tells whether a value changed.
type change uint8

const (
	same change = iota
	unknown
	changed
)

func (c change) or(d change) change { return max(c, d) }

func (m *Mapper) compareSlot(row source.Row, slot int, prints []uint64) change {
	if row[slot].Kind == source.Unchanged {
		return same
	}
	if slot < len(m.old) && m.old[slot].Kind != source.Absent {
		return compareValues(row[slot], m.old[slot])
	}
	if prints == nil || prints[slot] == hashUnknown {
		return unknown
	}
	if prints[slot] == m.prints.hash(row[slot]) {
		return same
	}
	return changed
}

func compareValues(a, b source.Value) change {
	switch {
	case b.Kind == source.Absent || b.Kind == source.Unchanged:
		return unknown
	case a.Kind == source.Unchanged, a.Kind == b.Kind && bytes.Equal(a.Data, b.Data):
		return same
	}
	return changed
}

// oldKnown tells that the old row has every value.
func (m *Mapper) oldKnown() bool { return allKnown(m.old) }

func allKnown(row source.Row) bool {
	for i := range row {
		if row[i].Kind != source.Text && row[i].Kind != source.Null {
			return false
		}
	}
	return len(row) > 0
}

// statusDiffers compares the status in the contract's words: `sent` and
// `SERVER_ACK` are the same. One that means none differs; emitStatus counts it.
func (m *Mapper) statusDiffers(row source.Row, id rowKey, prints []uint64) bool {
	now := m.statusOf(row)
	if now == nil {
		m.keepOld(uint8(m.plan.StatusKept), m.plan.StatusMember, id)
		return true
	}
	if m.oldKnown() {
		m.other = append(m.other[:0], now...)
		return string(m.statusOf(m.old)) != string(m.other)
	}
	if prints == nil || prints[len(row)] == hashUnknown {
		return true
	}
	return prints[len(row)] != m.prints.hash(source.Value{Kind: source.Text, Data: now})
}

// statusOf returns a message's status in the contract's words, nil for none.
// Unknown words are counted when the event is made, not here.
func (m *Mapper) statusOf(row source.Row) []byte {
	if s, ok := m.quietText(m.plan.StatusMember, row); ok {
		return s
	}
	return nil
}

// payloadDiffers tells whether the event of the new row differs from that of
// the old one in anything but the status. What would have to be looked up
// counts as the same in both.
func (m *Mapper) payloadDiffers(row source.Row) bool {
	m.env.Quiet = true
	m.other = m.appendVisible(m.other[:0], m.old)
	m.out = m.appendVisible(m.out[:0], row)
	toast, over := m.env.Toast, m.env.Over
	m.env.Quiet = false
	return toast != 0 || over || !bytes.Equal(m.other, m.out)
}

func (m *Mapper) appendVisible(dst []byte, row source.Row) []byte {
	m.beginMessage(row)
	for i := range m.plan.Message.Members {
		if x := &m.plan.Message.Members[i]; x.Name != "status" {
			dst, _ = x.Value.JSON(append(dst, x.Head...), &m.env)
		}
	}
	return dst
}

func (m *Mapper) beginMessage(row source.Row) {
	m.env.Begin(m.tx.Time)
	m.env.Set(plan.MessageTable, row)
	m.env.Cut, m.filledCut = m.filledCut, false
	m.conversation = rowKey{row[m.plan.Message.Workspace].Data, row[m.plan.Message.Conversation].Data}
}

// rememberMessage keeps what a later UPDATE of the message may need: its
// fingerprint, unless old rows are whole, and its large values.
func (m *Mapper) rememberMessage(b *binding, row source.Row, id rowKey, inserted bool) {
	if b.full {
		return
	}
	prints := m.prints.put(id)
	size := 0
	for i := range row {
		size += len(row[i].Data)
		if h := m.prints.hash(row[i]); row[i].Kind != source.Unchanged {
			prints[i] = h
		}
	}
	if s := m.statusOf(row); s != nil {
		prints[len(row)] = m.prints.hash(source.Value{Kind: source.Text, Data: s})
	}
	if size >= largeRow || !inserted && m.memory.get(plan.MessageTable, id) != nil {
		if r := m.remember(plan.MessageTable, id, row, nil); r != nil {
			r.stream = true
		}
	}
}

// insertedMessage makes a message its conversation's newest, unless a newer
// one is known.
func (m *Mapper) insertedMessage(row source.Row, conv rowKey) {
	if m.plan.NewestBy < 0 {
		return
	}
	order := int64(-1 << 63)
	if v := row[m.plan.NewestBy]; v.Kind == source.Text {
		order = convert.TimeOrder(v.Data)
	}
	r := m.memory.get(newestKind, conv)
	if r != nil && !r.none && r.order > order && (!m.plan.InsertedOnly || r.tx == m.txSeq) {
		return
	}
	if r = m.remember(newestKind, conv, row, m.plan.NewestSlots); r != nil {
		r.order, r.tx, r.stream, r.expires = order, m.txSeq, true, 0
	}
}

// updatedMessage keeps the newest message of a conversation up to date.
func (m *Mapper) updatedMessage(row source.Row, id, conv rowKey) {
	was := m.oldKeyOf(plan.MessageTable, id)
	if old := m.keyOf(m.old, m.plan.Message.Conversation); old != nil && !(rowKey{was.workspace, old}).equal(conv) {
		m.forgetNewest(rowKey{was.workspace, old}, was.key)
	}
	if !was.equal(id) {
		m.prints.drop(was)
		m.forgetOld(plan.MessageTable, was, id)
	}
	r := m.memory.get(newestKind, conv)
	if r == nil || r.none || !bytes.Equal(r.row[m.plan.Message.Key].Data, id.key) {
		return
	}
	order, tx := r.order, r.tx
	if v := row[m.plan.NewestBy]; v.Kind == source.Text {
		order = convert.TimeOrder(v.Data)
	}
	if r = m.remember(newestKind, conv, row, m.plan.NewestSlots); r != nil {
		r.order, r.tx, r.stream, r.expires = order, tx, true, 0
	}
}
