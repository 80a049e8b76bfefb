package replay

import (
	"time"

	"chatbridge/source"
)

// Floor names the newest entry of a kind that has been evicted: up to it there
// may be gaps. The zero Floor is that of a kind of which nothing was evicted.
type Floor struct {
	// Seq is the entry's sequence number, plus one: a reader whose next entry
	// has Seq or a later number has lost nothing.
	Seq uint64
	// At is when it was published, see Log.TimeOf.
	At       time.Duration
	Position source.Position
}

// Later returns the later of two Floors, in both respects.
func (f Floor) Later(g Floor) Floor {
	if g.Seq > f.Seq {
		f.Seq, f.At = g.Seq, g.At
	}
	if f.Position.Compare(g.Position) < 0 {
		f.Position = g.Position
	}
	return f
}

// Above reports whether something that comes after p was evicted.
func (f Floor) Above(p source.Position) bool { return f.Position.Compare(p) > 0 }
