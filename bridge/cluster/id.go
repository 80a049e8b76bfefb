package cluster

import (
	"cmp"
	"fmt"
	"math"
	"strconv"
	"strings"

	"chatbridge/source"
)

// subBits of an ID's Sub count what comes after an event and is none.
const subBits = 20

// ID is the place of a record in a history, and the ID of an entry in the stream. The
// zero ID is before every record.
type ID struct {
	// Commit is that of the position, see source.Position.
	Commit uint64
	// Sub is the position's index, shifted by subBits, plus the number of those since
	// the event that are none, such as a change of a membership.
	Sub uint64
}

// EventID returns the ID of the event at a position.
func EventID(p source.Position) ID { return ID{p.Commit, uint64(p.Index) << subBits} }

// startOf returns the ID before all records of transactions from commit on.
func startOf(commit uint64) ID { return ID{Commit: commit} }

// Position returns the position of the event that the ID is of, or that comes before.
func (id ID) Position() source.Position {
	return source.Position{Commit: id.Commit, Index: uint32(id.Sub >> subBits)}
}

// Compare returns -1, 0 or 1 as id is before, equal to or after other.
func (id ID) Compare(other ID) int {
	return cmp.Or(cmp.Compare(id.Commit, other.Commit), cmp.Compare(id.Sub, other.Sub))
}

// After reports whether id comes after other.
func (id ID) After(other ID) bool { return id.Compare(other) > 0 }

// IsZero reports whether id is before every record.
func (id ID) IsZero() bool { return id == ID{} }

// next returns the ID of something that comes after id and is no event; ok is false
// where there is no room for one.
func (id ID) next() (_ ID, ok bool) {
	if id.Sub&(1<<subBits-1) == 1<<subBits-1 {
		return id, false
	}
	return ID{id.Commit, id.Sub + 1}, true
}

// before returns the last ID that is before id, zero for the zero ID.
func (id ID) before() ID {
	switch {
	case id.Sub > 0:
		return ID{id.Commit, id.Sub - 1}
	case id.Commit > 0:
		return ID{id.Commit - 1, math.MaxUint64}
	}
	return ID{}
}

// later returns the later one of two.
func later(a, b ID) ID {
	if a.After(b) {
		return a
	}
	return b
}

// String returns the form of Redis, such as 12345-1048576.
func (id ID) String() string {
	return strconv.FormatUint(id.Commit, 10) + "-" + strconv.FormatUint(id.Sub, 10)
}

// ParseID reads what String printed.
func ParseID(text string) (ID, error) {
	commit, sub, ok := strings.Cut(text, "-")
	c, err := strconv.ParseUint(commit, 10, 64)
	s, err2 := strconv.ParseUint(sub, 10, 64)
	if !ok || err != nil || err2 != nil {
		return ID{}, fmt.Errorf("the stream's id %.60q is not two numbers with a dash", text)
	}
	return ID{c, s}, nil
}

// MarshalText returns the form of String.
func (id ID) MarshalText() ([]byte, error) { return []byte(id.String()), nil }

// UnmarshalText reads the form of String.
func (id *ID) UnmarshalText(text []byte) (err error) {
	*id, err = ParseID(string(text))
	return err
}
