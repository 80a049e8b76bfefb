package engine

import (
	"fmt"

	"chatbridge/mapping/contract"
	"chatbridge/mapping/internal/plan"
)

// DefaultEventBytes is the default of Options.EventBytes: 8 MiB of text of
// which each byte takes two in JSON, as quotes and line ends do, and 1 MiB for
// all else.
const DefaultEventBytes = 17 << 20

// shorten makes a payload again that was too large: first without what takes
// more than a quarter of the bound, then without all that is not small. What is
// too large even so is left out.
func (m *Mapper) shorten(kind contract.Kind, t plan.TableID, key []byte, members []plan.Member) outcome {
	b := &m.env.Limit
	defer func() { b.Room, b.Large = 0, min(b.Most, plan.LargeValue) }()
	for _, room := range []int{max(b.Most/4, 1), max(min(b.Most/16, plan.SmallValue), 1)} {
		b.Room, b.Large, b.Over, b.Shortened = room, min(room, plan.LargeValue), false, false
		m.env.Unknown = m.env.Unknown[:0]
		if o := m.writePayload(t, key, members); o == lacking || o == impossible && !b.Over {
			return o
		}
		if !b.Over && len(m.out) <= b.Most {
			m.wasShortened(kind, t, key)
			return made
		}
	}
	m.leftOut(kind, t, key)
	return impossible
}

func (m *Mapper) wasShortened(kind contract.Kind, t plan.TableID, key []byte) {
	if m.trying {
		return
	}
	m.counters.shortened[kind].Add(1)
	m.warnLarge("shortened", t, key, "is sent shortened: content is cut, media and other large values are left away")
}

// leftOut counts an event that is too large whatever is left away.
func (m *Mapper) leftOut(kind contract.Kind, t plan.TableID, key []byte) {
	if m.trying {
		return
	}
	m.counters.leftOut[kind].Add(1)
	if m.opts.LeftOut != nil {
		m.opts.LeftOut(m.conversation.workspace, m.conversation.key, kind)
	}
	m.warnLarge("left_out", t, key, "cannot be shortened enough and is left out")
}

func (m *Mapper) warnLarge(reason string, t plan.TableID, key []byte, what string) {
	if m.opts.Warn == nil {
		return
	}
	table, size := &m.tables[t], rowSize(m.env.Rows[t])
	m.warn(Warning{
		Reason: reason, Table: table.Schema + "." + table.Name, Key: string(key),
		Detail: fmt.Sprintf("the row has %d bytes; its event is larger than limits.event (%d bytes) and %s", size, m.env.Most, what),
	}, "")
}
