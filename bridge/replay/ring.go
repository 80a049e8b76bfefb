package replay

// ring is a queue in one growing block of memory, indexable from its front.
// It gives memory back when it is down to a quarter of its block, so that one
// burst does not pin its peak for ever.
type ring[T any] struct {
	buf  []T
	head int
	n    int
}

const ringMin = 64

func (r *ring[T]) len() int { return r.n }

func (r *ring[T]) at(i int) *T { return &r.buf[(r.head+i)&(len(r.buf)-1)] }

func (r *ring[T]) front() *T { return r.at(0) }

func (r *ring[T]) push(v T) {
	if r.n == len(r.buf) {
		r.resize(max(ringMin, 2*len(r.buf)))
	}
	*r.at(r.n) = v
	r.n++
}

func (r *ring[T]) pop() {
	var zero T
	*r.front() = zero
	r.head = (r.head + 1) & (len(r.buf) - 1)
	r.n--
	if len(r.buf) > ringMin && r.n <= len(r.buf)/4 {
		r.resize(len(r.buf) / 2)
	}
}

// resize moves the queue into a block of size, a power of two.
func (r *ring[T]) resize(size int) {
	buf := make([]T, size)
	for i := range r.n {
		buf[i] = *r.at(i)
	}
	r.buf, r.head = buf, 0
}
