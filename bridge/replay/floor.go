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
	// At is when it was published, see Log.TimeOf; of what was before the Log's first event,
	// and may have been published elsewhere, it is when that one was.
	At       time.Duration
	Position source.Position
}

// Later returns the later of two Floors, in each respect.
func (f Floor) Later(g Floor) Floor {
	f.Seq, f.At = max(f.Seq, g.Seq), max(f.At, g.At)
	if f.Position.Compare(g.Position) < 0 {
		f.Position = g.Position
	}
	return f
}

// Above reports whether something that comes after p was evicted.
func (f Floor) Above(p source.Position) bool { return f.Position.Compare(p) > 0 }
