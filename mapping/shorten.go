package mapping

import "fmt"

// DefaultEventBytes is the default of Options.EventBytes: 8 MiB of text of
// which each byte takes two in JSON, as quotes and line ends do, and 1 MiB for
// all else.
const DefaultEventBytes = 17 << 20

// shorten makes a payload again that was too large: first without what takes
// more than a quarter of the bound, then without all that is not small. What is
// too large even so is left out.
func (m *Mapper) shorten(kind Kind, t tableID, key []byte, members []memberExpr) outcome {
	b := &m.env.bound
	defer func() { b.room, b.large = 0, min(b.most, largeValue) }()
	for _, room := range []int{max(b.most/4, 1), max(min(b.most/16, smallValue), 1)} {
		b.room, b.large, b.over, b.shortened = room, min(room, largeValue), false, false
		m.env.unknown = m.env.unknown[:0]
		if o := m.writePayload(t, key, members); o == lacking || o == impossible && !b.over {
			return o
		}
		if !b.over && len(m.out) <= b.most {
			m.wasShortened(kind, t, key)
			return made
		}
	}
	m.leftOut(kind, t, key)
	return impossible
}

func (m *Mapper) wasShortened(kind Kind, t tableID, key []byte) {
	if m.trying {
		return
	}
	m.counters.shortened[kind].Add(1)
	m.warnLarge("shortened", t, key, "is sent shortened: content is cut, media and other large values are left away")
}

// leftOut counts an event that is too large whatever is left away.
func (m *Mapper) leftOut(kind Kind, t tableID, key []byte) {
	if m.trying {
		return
	}
	m.counters.leftOut[kind].Add(1)
	if m.opts.LeftOut != nil {
		m.opts.LeftOut(m.conversation.workspace, m.conversation.key, kind)
	}
	m.warnLarge("left_out", t, key, "cannot be shortened enough and is left out")
}

func (m *Mapper) warnLarge(reason string, t tableID, key []byte, what string) {
	if m.opts.Warn == nil {
		return
	}
	table, size := &m.tables[t], rowSize(m.env.rows[t])
	m.warn(Warning{
		Reason: reason, Table: table.Schema + "." + table.Name, Key: string(key),
		Detail: fmt.Sprintf("the row has %d bytes; its event is larger than limits.event (%d bytes) and %s", size, m.env.most, what),
	}, "")
}
