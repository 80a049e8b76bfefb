package engine

import (
	"bytes"
	"slices"
	"time"
	"unicode/utf8"

	"chatbridge/mapping/internal/plan"
	"chatbridge/source"
)

// memory is what is remembered of the rows that came by: the rows of
// conversations and references, conversations' newest messages, large messages;
// the fingerprints of messages' states; and values that messages had once.
type memory struct {
	schema
	tx           *transaction
	rows         rowCache
	fingerprints fingerprints
	kept         keptValues
	// refresh is how long a row that was looked up is believed.
	refresh time.Duration
	// streamed tells which tables the stream has shown.
	streamed [plan.MaxTables]bool
}

func newMemory(s schema, tx *transaction, o Options) *memory {
	m := &memory{schema: s, tx: tx, refresh: o.Refresh}
	m.rows.init(o.RememberRows, o.RememberBytes)
	m.fingerprints.init(len(s.tables[plan.MessageTable].Columns)+fingerprintExtras, o.RememberMessages)
	m.kept.init(o.RememberKept)
	return m
}

// forget drops what may be untrue after a gap. The values that messages had once
// stay true.
func (m *memory) forget() {
	m.forgetRows()
	m.fingerprints.init(m.fingerprints.width, m.fingerprints.limit)
}

// forgetRows drops the rows. Where conversations show a message only in the
// transaction that inserts it, the newest ones stay: they are not shown again, and tell
// a late one that there is a later one.
func (m *memory) forgetRows() {
	for kind := range m.rows.rows {
		if plan.TableID(kind) != newestKind || !m.plan.InsertedOnly {
			m.rows.dropAll(plan.TableID(kind))
		}
	}
}

// expiry is when a row that was looked up now has to be looked up again.
func (m *memory) expiry() int64 { return m.tx.now + int64(m.refresh) }

// known returns the row of which the clients know, nil when there is none in
// memory.
func (m *memory) known(t plan.TableID, key rowKey) source.Row {
	if r := m.rows.get(t, key); r != nil && !r.absent && (r.streamed || r.sent) {
		return r.row
	}
	return nil
}

// fillMessage puts what the source did not send of a message's row; cut tells
// that it came of a row that is remembered shortened.
func (m *memory) fillMessage(row source.Row) (cut bool) {
	if r := m.rows.get(plan.MessageTable, m.messageKey(row)); r != nil && !r.absent {
		return fill(row, r.row) && r.cut
	}
	return false
}

// putStreamed remembers a row that the stream has shown.
func (m *memory) putStreamed(t plan.TableID, key rowKey, row source.Row) {
	if r := m.rows.put(t, key, row, nil); r != nil {
		r.streamed, r.expires = true, 0
	}
}

// putConversation remembers a conversation. One that is new, and not late, has no
// message that was not in the stream.
func (m *memory) putConversation(key rowKey, row source.Row, op source.Op) {
	m.putStreamed(plan.ConversationTable, key, row)
	if op == source.Insert && !m.tx.late && m.plan.NewestBy >= 0 && m.rows.get(newestKind, key) == nil {
		m.rows.putAbsent(newestKind, key).streamed = true
	}
}

// largeRow is the size from which a message's values may be stored out of
// line, so that an UPDATE may come without them: Postgres's
// TOAST_TUPLE_THRESHOLD is about 2,032 bytes, after compression.
const largeRow = 2000

// putMessageState remembers what a later UPDATE of the message may need where old
// rows do not come: its fingerprint, with that of its status in the contract's
// words (nil for none) and how it fits the mapping's `where:`, and its large values.
func (m *memory) putMessageState(row source.Row, id rowKey, status []byte, now fit, inserted bool) {
	hashes := m.fingerprints.put(id)
	for i := range row {
		if h := m.fingerprints.hash(row[i]); row[i].Kind != source.Unchanged {
			hashes[i] = h
		}
	}
	if status != nil {
		hashes[len(row)+statusExtra] = m.fingerprints.hash(source.Value{Kind: source.Text, Data: status})
	}
	hashes[len(row)+fitExtra] = uint64(now)
	if rowSize(row) >= largeRow || !inserted && m.rows.get(plan.MessageTable, id) != nil {
		if r := m.putMessage(plan.MessageTable, id, row, nil); r != nil {
			r.streamed = true
		}
	}
}

// statusBefore returns the status of a message's last state by its fingerprint.
func (m *memory) statusBefore(was rowKey) ([]byte, bool) {
	hashes := m.fingerprints.get(was)
	if hashes == nil {
		return nil, false
	}
	for _, s := range m.plan.Statuses {
		if hashes[len(hashes)-fingerprintExtras+statusExtra] == m.fingerprints.hash(source.Value{Kind: source.Text, Data: []byte(s)}) {
			return []byte(s), true
		}
	}
	return nil, false
}

// insertedMessage makes a message its conversation's newest, unless a newer
// one is known.
func (m *memory) insertedMessage(row source.Row, conv rowKey) {
	if m.plan.NewestBy < 0 {
		return
	}
	order := m.messageOrder(row, firstOrder)
	r := m.rows.get(newestKind, conv)
	if r != nil && !r.absent && r.order > order && (!m.plan.InsertedOnly || m.tx.late || r.tx == m.tx.seq) {
		return
	}
	if r = m.putMessage(newestKind, conv, row, m.plan.NewestSlots); r != nil {
		r.order, r.tx, r.streamed, r.expires = order, m.tx.seq, true, 0
	}
}

// updatedMessage keeps the newest message of a conversation up to date. old is
// the row before as far as the source sent it.
func (m *memory) updatedMessage(old, row source.Row, id, conv rowKey) {
	was := m.oldKeyOf(plan.MessageTable, old, id)
	if from := textAt(old, m.plan.Message.Conversation); from != nil && !(rowKey{was.workspace, from}).equal(conv) {
		m.dropNewest(rowKey{was.workspace, from}, was.key)
	}
	if !was.equal(id) {
		m.fingerprints.drop(was)
		m.dropOld(plan.MessageTable, old, was, id)
	}
	r := m.rows.get(newestKind, conv)
	if r == nil {
		return
	}
	order, tx := m.messageOrder(row, r.order), r.tx
	same := false // as the newest one that is known
	if !r.absent {
		known := r.row[m.plan.Message.Key].Data
		same = bytes.Equal(known, id.key) || bytes.Equal(known, was.key)
	}
	switch {
	case !same && (!m.showsNewest() || !r.absent && order <= r.order):
		return
	case !same && !complete(row), same && order < r.order && m.showsNewest():
		m.rows.remove(r) // another may be the newest now; or it would be mixed with another
		return
	case !same:
		tx = 0
	}
	if r = m.putMessage(newestKind, conv, row, m.plan.NewestSlots); r != nil {
		r.order, r.tx, r.streamed, r.expires = order, tx, true, 0
	}
}

// putFound remembers a row that was looked up, unless the stream has shown it: the
// stream's rows are in order with its events, what was read now may be ahead.
func (m *memory) putFound(t plan.TableID, key rowKey, row source.Row) {
	r := m.rows.get(t, key)
	if r != nil && r.streamed && r.absent && m.tx.now < r.expires {
		return // read before it was gone
	}
	if r != nil && r.streamed && !r.absent {
		// Of a row that the stream has shown only what it did not send is new.
		merged := cloneRow(r.row)
		fill(merged, row)
		if r = m.rows.put(t, key, merged, nil); r != nil {
			r.streamed = true
		}
		return
	}
	if t == plan.MessageTable {
		r = m.putMessage(t, key, row, nil)
	} else {
		r = m.rows.put(t, key, row, nil)
	}
	if r == nil {
		return
	}
	r.streamed, r.sent, r.expires = false, false, 0
	if t >= plan.FirstReference && !m.streamed[t] {
		r.expires = m.expiry()
	}
}

// putFoundNewest is putFound of a conversation's newest message.
func (m *memory) putFoundNewest(conv rowKey, row source.Row) {
	order := m.messageOrder(row, firstOrder)
	if r := m.rows.get(newestKind, conv); r != nil && !r.absent && r.order >= order {
		return
	}
	if r := m.putMessage(newestKind, conv, row, m.plan.NewestSlots); r != nil {
		r.order, r.tx, r.streamed, r.sent, r.expires = order, 0, false, false, 0
	}
}

// putMessage remembers a message's row. One that takes more than memory
// holds of any row is remembered shortened: its content is cut, other large values
// are left away. That is better than to look it up, as large as it is, for each
// event that shows it.
func (m *memory) putMessage(kind plan.TableID, key rowKey, row source.Row, mask []bool) *cachedRow {
	r := m.rows.put(kind, key, row, mask)
	if r != nil {
		r.cut = false
		return r
	}
	if r = m.rows.put(kind, key, m.cutRow(row, m.rows.maxBytes/64), mask); r != nil {
		r.cut = true
	}
	return r
}

// cutRow is a message's row without values of more than most bytes, and with
// the beginning of its content.
func (m *memory) cutRow(row source.Row, most int) source.Row {
	out := slices.Clone(row)
	for i := range out {
		switch v := &out[i]; {
		case len(v.Data) <= most:
		case m.plan.ContentSlots[i]:
			end := most
			for end > most-utf8.UTFMax && !utf8.RuneStart(v.Data[end]) {
				end--
			}
			v.Data = append(slices.Clone(v.Data[:end]), plan.ShortenedMark...)
		default:
			*v = source.Value{Kind: source.Null}
		}
	}
	return out
}
