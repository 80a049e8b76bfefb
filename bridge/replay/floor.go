package replay

import (
	"time"

	"chatbridge/source"
)

// Floor names the newest evicted entry of a kind: up to that entry there may be gaps.
// The zero Floor tells that nothing of the kind was evicted.
type Floor struct {
	// Seq is the entry's sequence number, plus one: a reader whose next entry
	// has Seq or a later number has lost nothing.
	Seq uint64
	// At is when the entry was published, see Log.TimeOf. For what preceded the Log's first
	// event, perhaps published elsewhere, At is when that first event was published.
	At       time.Duration
	Position source.Position
}

// Later returns a Floor with the larger of each field of f and g.
func (f Floor) Later(g Floor) Floor {
	f.Seq, f.At = max(f.Seq, g.Seq), max(f.At, g.At)
	if f.Position.Compare(g.Position) < 0 {
		f.Position = g.Position
	}
	return f
}

// Above reports whether something that comes after p was evicted.
func (f Floor) Above(p source.Position) bool { return f.Position.Compare(p) > 0 }
