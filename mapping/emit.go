package mapping

import (
	"bytes"

	"chatbridge/internal/jsonscan"
	"chatbridge/source"
)

// outcome is how the making of an event went.
type outcome uint8

const (
	made outcome = iota
	// lacking: something has to be looked up first.
	lacking
	// impossible: the event cannot be made; it is counted.
	impossible
)

// emitMessage makes a message event, or lets it wait for a lookup.
func (m *Mapper) emitMessage(row source.Row, index uint32, emit Emit) error {
	if m.partial {
		m.fillRemembered(row)
	}
	switch m.makeMessage(row, index) {
	case made:
		if m.owes() {
			m.paid(messageTable, m.messageKey(row))
		}
		return m.send(emit)
	case lacking:
		m.batch.wait(Message, index, m.messageKey(row), row)
	}
	return nil
}

// makeMessage makes m.event of a message's row.
func (m *Mapper) makeMessage(row source.Row, index uint32) outcome {
	s := &m.spec.message
	m.beginMessage(row)
	o := m.makePayload(Message, messageTable, row[s.key].Data, s.members)
	if o = m.whole(o, messageTable, m.messageKey(row)); o != made {
		return o
	}
	m.fillEvent(Message, index, row)
	return made
}

// whole turns an event that was made without values that the source did not
// send into one that is lacking, or, when nobody has them, impossible. key is
// that of the row of table t that the event is of.
func (m *Mapper) whole(o outcome, t tableID, key rowKey) outcome {
	if m.env.toast == 0 {
		return o
	}
	if m.readBack(t, key) || o == lacking { // all that is lacking is asked for at once
		return lacking
	}
	if m.env.short {
		return impossible // it is owed
	}
	m.fail(failToast, t, key.key, "", "an UPDATE came without its large values and they could not be read back: "+
		"set `replica identity full`, or let the bridge look them up")
	return impossible
}

func (m *Mapper) fillEvent(kind Kind, index uint32, row source.Row) {
	s := &m.spec.message
	m.event = Event{Kind: kind, Index: index, Workspace: row[s.workspace].Data, Conversation: row[s.conversation].Data, Payload: m.out}
	for _, member := range m.env.unknown {
		m.unknownWord(member)
	}
	m.event.Key, m.event.Status = plainText(m.out[m.idAt:]), plainText(m.out[m.statusAt:])
	if m.event.Key == nil {
		m.event.Key, _ = m.spec.idMember.text(&m.env)
	}
	if m.event.Status == nil {
		m.env.quiet = true
		m.event.Status, _ = m.spec.statusMember.text(&m.env)
		m.env.quiet = false
	}
}

// plainText returns what is in the JSON string that s starts with, nil when it
// has an escape. It spares evaluating id and status a second time.
func plainText(s []byte) []byte {
	for i := 1; i < len(s); i++ {
		switch s[i] {
		case '\\':
			return nil
		case '"':
			return s[1:i:i]
		}
	}
	return nil
}

// makePayload writes an object of the members into m.out, shortened where it
// would be too large.
func (m *Mapper) makePayload(kind Kind, t tableID, key []byte, members []memberExpr) outcome {
	o := m.writePayload(t, key, members)
	switch {
	case o != lacking && (m.env.over || len(m.out) > m.env.most):
		return m.shorten(kind, t, key, members)
	case o == made && m.env.cut:
		m.wasShortened(kind, t, key)
	}
	return o
}

// writePayload writes an object of the members into m.out. Members without a
// value are left out; a required one without makes the event impossible.
func (m *Mapper) writePayload(t tableID, key []byte, members []memberExpr) outcome {
	out := m.out[:0]
	absent, bounded := "", m.env.room > 0
	for i := range members {
		x := &members[i]
		before := len(out)
		if bounded {
			m.env.name, m.env.loose = x.name, x.name == "metadata"
		}
		next, ok := x.value.json(append(out, x.head...), &m.env)
		if bounded && t == messageTable && x.name == "metadata" {
			next, ok = sayShortened(next, before+len(x.head), ok), true
		}
		if ok {
			out = next
			switch x.mark {
			case markID:
				m.idAt = before + len(x.head)
			case markStatus:
				m.statusAt = before + len(x.head)
			}
			continue
		}
		if out = next[:before]; x.required && absent == "" {
			absent = x.name
		}
	}
	m.out = out
	if m.env.missed {
		return lacking
	}
	if absent != "" && bounded && m.env.shortened {
		m.env.over = true
		return impossible
	}
	if absent != "" {
		if m.env.toast == 0 && !m.env.short {
			m.fail(failMember, t, key, absent, "no value for "+absent+", which the contract requires: end its list in the mapping with a constant")
		}
		return impossible
	}
	m.out[0] = '{'
	m.out = append(m.out, '}')
	if m.env.counted != "" {
		m.countedTime(t, key)
	}
	return made
}

// sayShortened puts "shortened":true into the object of metadata that begins
// at start, or makes it.
func sayShortened(out []byte, start int, ok bool) []byte {
	const say = `"shortened":true}`
	if !ok {
		return append(append(out[:start], '{'), say...)
	}
	out = bytes.TrimRight(out, " \t\r\n")
	out = bytes.TrimRight(out[:len(out)-1], " \t\r\n")
	if out[len(out)-1] != '{' {
		out = append(out, ',')
	}
	return append(out, say...)
}

// fillRemembered puts what the source did not send of a message's row from
// memory.
func (m *Mapper) fillRemembered(row source.Row) {
	if r := m.memory.get(messageTable, m.messageKey(row)); r != nil && !r.none {
		m.filledCut = fill(row, r.row) && r.cut
	}
}

// emitStatus makes a messageStatus event. It needs nothing looked up, unless
// the mapping says so.
func (m *Mapper) emitStatus(row source.Row, index uint32, emit Emit) error {
	switch m.makeStatus(row, index) {
	case made:
		return m.send(emit)
	case lacking:
		m.batch.wait(MessageStatus, index, m.messageKey(row), row)
	}
	return nil
}

func (m *Mapper) makeStatus(row source.Row, index uint32) outcome {
	m.beginMessage(row)
	id := row[m.spec.message.key].Data
	const head, middle = `{"messageId":`, `,"status":`
	out, ok := m.spec.idMember.json(append(m.out[:0], head...), &m.env)
	hasID := ok
	if ok {
		m.idAt, m.statusAt = len(head), len(out)+len(middle)
		out, ok = m.spec.statusMember.json(append(out, middle...), &m.env)
	}
	if ok {
		out = jsonscan.AppendString(append(out, `,"conversationId":`...), row[m.spec.message.conversation].Data)
	}
	m.out = append(out, '}')
	switch {
	case m.env.missed:
		return lacking
	case m.env.over || len(out) >= m.env.most:
		m.leftOut(MessageStatus, messageTable, id)
		return impossible
	case !ok && m.env.short:
		return impossible
	case !ok && hasID:
		m.noStatus()
		return impossible
	case !ok:
		m.fail(failMember, messageTable, id, "id", "no value for id, which the contract requires")
		return impossible
	}
	m.fillEvent(MessageStatus, index, row)
	return made
}

// emitTyping makes a typing event of a conversation's row.
func (m *Mapper) emitTyping(row source.Row, index uint32, emit Emit) error {
	switch m.makeTyping(row, index) {
	case made:
		return m.send(emit)
	case lacking:
		m.batch.wait(Typing, index, rowKey{}, row)
	}
	return nil
}

func (m *Mapper) makeTyping(row source.Row, index uint32) outcome {
	s := &m.spec.conversation
	key := row[s.key].Data
	m.env.begin(m.tx.Time)
	m.env.set(conversationTable, row)
	m.conversation = rowKey{row[s.workspace].Data, key}
	o := m.makePayload(Typing, conversationTable, key, m.spec.typing)
	if o = m.whole(o, conversationTable, m.conversation); o != made {
		return o
	}
	m.event = Event{Kind: Typing, Index: index, Workspace: row[s.workspace].Data, Conversation: key, Key: key, Payload: m.out}
	return made
}

// send emits m.event, or queues it behind the events that wait.
func (m *Mapper) send(emit Emit) error {
	if len(m.batch.waiting) > 0 {
		m.batch.waiting = append(m.batch.waiting, waiting{ready: true, event: cloneEvent(&m.event)})
		return nil
	}
	return m.deliver(&m.event, emit)
}

func (m *Mapper) deliver(e *Event, emit Emit) error {
	m.counters.events[e.Kind].Add(1)
	return emit(e)
}

func cloneRow(row source.Row) source.Row {
	n := 0
	for i := range row {
		n += len(row[i].Data)
	}
	buf := make([]byte, 0, n)
	out := make(source.Row, len(row))
	for i, v := range row {
		start := len(buf)
		buf = append(buf, v.Data...)
		out[i] = source.Value{Kind: v.Kind, Data: buf[start:len(buf):len(buf)]}
	}
	return out
}

func cloneEvent(e *Event) Event {
	c := *e
	for _, p := range []*[]byte{&c.Workspace, &c.Conversation, &c.Key, &c.Status, &c.Payload} {
		*p = bytes.Clone(*p)
	}
	return c
}
