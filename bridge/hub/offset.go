package hub

import (
	"fmt"
	"strconv"
	"time"

	"chatbridge/source"
)

// Offset is what an event carries as its last argument, and what a client that
// comes back says it received last: the offset of Socket.IO's connection-state
// recovery. It is a claim about the client's own past: a client that received an event
// with an Offset has received every conversation and messageStatus event up to it.
type Offset struct {
	Position source.Position
	// Commit is when the event's transaction was committed, by the database's
	// clock, to the millisecond.
	Commit time.Time
}

// timeLen is the length of the time in an Offset's text: milliseconds since
// 1970 in hexadecimal digits, enough until the year 10889.
const timeLen = 12

// AppendOffset appends the text of an Offset: the position's, a dash, and the
// time. Texts of one history, compared as strings, have the order of the events.
func AppendOffset(dst []byte, o Offset) []byte {
	const hex = "0123456789ABCDEF"
	dst, _ = o.Position.AppendText(dst)
	dst = append(dst, '-')
	ms := uint64(max(o.Commit.UnixMilli(), 0))
	for shift := 4 * (timeLen - 1); shift >= 0; shift -= 4 {
		dst = append(dst, hex[ms>>shift&0xF])
	}
	return dst
}

// ParseOffset reads what AppendOffset wrote. It takes a bare position too, as
// bridges up to 0.1 sent it; its Commit is zero.
func ParseOffset(text string) (Offset, error) {
	if len(text) == source.PositionLen {
		p, err := source.ParsePosition(text)
		return Offset{Position: p}, err
	}
	if len(text) != source.PositionLen+1+timeLen || text[source.PositionLen] != '-' {
		return Offset{}, fmt.Errorf("offset %.60q: want a position, a dash and %d hex digits", text, timeLen)
	}
	p, err := source.ParsePosition(text[:source.PositionLen])
	if err != nil {
		return Offset{}, err
	}
	ms, err := strconv.ParseUint(text[source.PositionLen+1:], 16, 48)
	if err != nil {
		return Offset{}, fmt.Errorf("offset %q: %w", text, err)
	}
	return Offset{Position: p, Commit: time.UnixMilli(int64(ms)).UTC()}, nil
}
