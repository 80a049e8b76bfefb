package source

import (
	"fmt"
	"strconv"
)

// PositionLen is the length of a Position's text form: 16 hex digits of the
// commit, a dash, 8 hex digits of the index.
const PositionLen = 16 + 1 + 8

// Position is the place of one event in the order in which transactions
// committed. It is the same on every bridge that reads the same database and
// across restarts, so a client may hand it to another bridge.
//
// Commit is the LSN of the transaction's commit record as its Begin message
// announces it (final_lsn). The commit's end LSN would order the same way but
// is known only when the transaction has been read to its end, and a large
// transaction is published while it is being read. Supabase Realtime has no
// LSN: there Commit is the commit's time in microseconds since 1970, made
// strictly increasing within one process.
//
// Index counts the events of one transaction from 1. The zero Position is
// before every event.
type Position struct {
	Commit uint64
	Index  uint32
}

// Compare returns -1, 0 or 1 as p is before, equal to or after q.
func (p Position) Compare(q Position) int {
	switch {
	case p.Commit < q.Commit:
		return -1
	case p.Commit > q.Commit:
		return 1
	case p.Index < q.Index:
		return -1
	case p.Index > q.Index:
		return 1
	}
	return 0
}

// IsZero reports whether p is before every event.
func (p Position) IsZero() bool { return p == Position{} }

// AppendText appends the fixed-width form, such as
// 00000002E02ABE80-00000003. Comparing two texts
// as strings gives the same answer as Compare. The error is always nil; it is
// there for encoding.TextAppender.
func (p Position) AppendText(dst []byte) ([]byte, error) {
	dst = appendHex(dst, p.Commit, 16)
	dst = append(dst, '-')
	return appendHex(dst, uint64(p.Index), 8), nil
}

// String returns the fixed-width form.
func (p Position) String() string {
	b, _ := p.AppendText(make([]byte, 0, PositionLen))
	return string(b)
}

// ParsePosition reads the fixed-width form. It takes what String prints and
// nothing else: a client's text of any other shape is an error.
func ParsePosition(s string) (Position, error) {
	if len(s) != PositionLen || s[16] != '-' {
		return Position{}, fmt.Errorf("position %.40q: want 16 hex digits, a dash and 8 hex digits", s)
	}
	for i := range len(s) {
		if c := s[i]; i != 16 && (c < '0' || c > '9') && (c < 'A' || c > 'F') {
			return Position{}, fmt.Errorf("position %q: byte %d is not an upper-case hex digit", s, i)
		}
	}
	commit, err := strconv.ParseUint(s[:16], 16, 64)
	if err != nil {
		return Position{}, fmt.Errorf("position %q: %w", s, err)
	}
	index, err := strconv.ParseUint(s[17:], 16, 32)
	if err != nil {
		return Position{}, fmt.Errorf("position %q: %w", s, err)
	}
	return Position{Commit: commit, Index: uint32(index)}, nil
}

func appendHex(dst []byte, v uint64, digits int) []byte {
	const hex = "0123456789ABCDEF"
	for shift := 4 * (digits - 1); shift >= 0; shift -= 4 {
		dst = append(dst, hex[v>>shift&0xF])
	}
	return dst
}
