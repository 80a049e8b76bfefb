package mapping

import (
	"fmt"
	"slices"
	"unicode/utf8"

	"chatbridge/internal/jsonscan"
	"chatbridge/source"
)

// DefaultEventBytes is the default of Options.EventBytes: 8 MiB of text of
// which each byte takes two in JSON, as quotes and line ends do, and 1 MiB for
// all else.
const DefaultEventBytes = 17 << 20

// mark ends a content that was cut.
const shortenedMark = "… [shortened]"

// What is large enough to look at: values below it are rendered without asking
// for the bound.
const (
	largeValue = 64 << 10
	// smallValue is what any value may have that an event can do without, when
	// nothing else makes it small enough.
	smallValue = 4 << 10
)

// bound is how an env renders large values; the zero bound is none. With room 0 they are rendered as
// they are; over is set when the event gets too large, and they are left away
// for the time being. Otherwise a content is cut to half of most, another value
// of more than room is no value, unless the event cannot do without it, which
// sets over.
type bound struct {
	most, large, room int
	over              bool
	// name is the member that is rendered, loose that it is inside metadata.
	name  string
	loose bool
	// shortened tells that something was cut or left away; cut that a row had
	// been cut before, in memory.
	shortened, cut bool
}

func (b *bound) init(most int) { b.most, b.large = most, min(most, largeValue) }

// appendLarge appends a text of more than large bytes as a JSON string within
// the bound.
func (b *bound) appendLarge(dst, s []byte) ([]byte, bool) {
	if b.most == 0 {
		return jsonscan.AppendString(dst, s), true
	}
	n := jsonscan.StringLen(s, b.most)
	switch {
	case b.room == 0 && len(dst)+n <= b.most, b.room > 0 && n <= b.room, b.room > 0 && b.name == "content" && n <= b.most/2:
		return jsonscan.AppendString(slices.Grow(dst, n), s), true
	case b.room == 0:
		b.over = true
		return append(dst, `""`...), true
	case b.name == "content":
		b.shortened = true
		room := b.most/2 - len(shortenedMark) - 2
		s = s[:jsonscan.CutAt(s, room)]
		dst = jsonscan.AppendString(slices.Grow(dst, room+len(shortenedMark)+2), s)
		return append(append(dst[:len(dst)-1], shortenedMark...), '"'), true
	}
	return b.without(dst)
}

// without leaves a value away, or gives the event up.
func (b *bound) without(dst []byte) ([]byte, bool) {
	if !b.loose && isVital(b.name) {
		b.over = true
	}
	b.shortened = true
	return dst, false
}

// fits tells whether n bytes of JSON may be appended; if not, what without or
// over says has to be done.
func (b *bound) fits(dst []byte, n int) bool {
	switch {
	case n <= b.large, b.most == 0:
		return true
	case b.room > 0:
		return n <= b.room
	case len(dst)+n > b.most:
		b.over = true
		return false
	}
	return true
}

// isVital tells the members that say what the event is of. An event does
// without any other rather than not being sent.
func isVital(member string) bool {
	switch member {
	case "id", "workspaceId", "conversationId", "messageId", "senderId", "replyToMessageId", "contactId", "whatsappNumberId",
		"type", "status", "channel", "createdAt", "updatedAt", "userId", "isTyping":
		return true
	}
	return false
}

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
	table, size := &m.spec.tables[t], rowSize(m.env.rows[t])
	m.warn(Warning{
		Reason: reason, Table: table.Schema + "." + table.Name, Key: string(key),
		Detail: fmt.Sprintf("the row has %d bytes; its event is larger than limits.event (%d bytes) and %s", size, m.env.most, what),
	}, "")
}

func rowSize(row source.Row) int {
	n := 0
	for i := range row {
		n += len(row[i].Data)
	}
	return n
}

// remember puts a message's row into memory. One that takes more than memory
// holds of any row is kept shortened: its content is cut, other large values
// are left away. That is better than to look it up, as large as it is, for each
// event that shows it.
func (m *Mapper) remember(kind tableID, key rowKey, row source.Row, mask []bool) *remembered {
	r := m.memory.put(kind, key, row, mask)
	if r != nil {
		r.cut = false
		return r
	}
	if r = m.memory.put(kind, key, m.cutRow(row, m.opts.RememberBytes/64), mask); r != nil {
		r.cut = true
	}
	return r
}

// cutRow is a message's row without values of more than most bytes, and with
// the beginning of its content.
func (m *Mapper) cutRow(row source.Row, most int) source.Row {
	out := slices.Clone(row)
	for i := range out {
		switch v := &out[i]; {
		case len(v.Data) <= most:
		case m.spec.contentSlots[i]:
			end := most
			for end > most-utf8.UTFMax && !utf8.RuneStart(v.Data[end]) {
				end--
			}
			v.Data = append(slices.Clone(v.Data[:end]), shortenedMark...)
		default:
			*v = source.Value{Kind: source.Null}
		}
	}
	return out
}
