package replay

// ring is a queue in blocks of memory, indexable from its front. Growing moves
// nothing and leaves no garbage, and a block goes as soon as its last element
// has: a burst costs what it holds, and only for as long.
type ring[T any] struct {
	blocks []*[blockLen]T
	head   int // of the front element in the first block
	n      int
}

// blockLen is the number of elements in a block, a power of two.
const blockLen = 32

func (r *ring[T]) len() int { return r.n }

func (r *ring[T]) at(i int) *T {
	i += r.head
	return &r.blocks[i/blockLen][i%blockLen]
}

func (r *ring[T]) front() *T { return r.at(0) }

func (r *ring[T]) push(v T) {
	if r.head+r.n == len(r.blocks)*blockLen {
		r.blocks = append(r.blocks, new([blockLen]T))
	}
	r.n++
	*r.at(r.n - 1) = v
}

func (r *ring[T]) pop() {
	var zero T
	*r.front() = zero
	r.head++
	r.n--
	if r.head == blockLen {
		// append moves the rest down once it needs room, so that the blocks'
		// own slice does not creep through memory.
		r.blocks[0] = nil
		r.blocks, r.head = r.blocks[1:], 0
	}
}
