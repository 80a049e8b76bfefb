package engineio

import "sync"

// Messages are small and, in an application's log, many. The allocator would
// round each up to its next size (a tenth of it on average) and the collector
// would look at each; side by side in slabs they cost what they are.

const (
	slabSize = 32 << 10
	// slabMax is the largest message that goes into a slab: what one leaves
	// unused at the end of a slab is to stay small.
	slabMax = slabSize / 16
)

// slab is what is left of a block of memory.
type slab struct{ free []byte }

// slabs are those that are being filled. A slab lives as long as the last
// message in it.
var slabs = sync.Pool{New: func() any { return new(slab) }}

// carve returns an empty slice of that capacity, no more.
func carve(size int) []byte {
	if size > slabMax {
		return make([]byte, 0, size)
	}
	s := slabs.Get().(*slab)
	if len(s.free) < size {
		s.free = make([]byte, slabSize)
	}
	b := s.free[:0:size]
	s.free = s.free[size:]
	slabs.Put(s)
	return b
}
