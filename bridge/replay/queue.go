package replay

// queue is a first-in-first-out queue in blocks of memory, indexable from its
// front. Growing moves no element, and a block is freed with its last element.
type queue[T any] struct {
	blocks []*[blockLen]T
	head   int // of the front element in the first block
	n      int
}

// blockLen is the number of elements in a block, a power of two.
const blockLen = 32

func (q *queue[T]) len() int { return q.n }

func (q *queue[T]) at(i int) *T {
	i += q.head
	return &q.blocks[i/blockLen][i%blockLen]
}

func (q *queue[T]) front() *T { return q.at(0) }

func (q *queue[T]) push(v T) {
	if q.head+q.n == len(q.blocks)*blockLen {
		q.blocks = append(q.blocks, new([blockLen]T))
	}
	q.n++
	*q.at(q.n - 1) = v
}

func (q *queue[T]) pop() {
	var zero T
	*q.front() = zero
	q.head++
	q.n--
	if q.head == blockLen {
		// When append needs room, it copies only the rest: the slice of blocks does not
		// grow without end.
		q.blocks[0] = nil
		q.blocks, q.head = q.blocks[1:], 0
	}
}
