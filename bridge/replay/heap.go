package replay

// share is what takes a part of the Log: a workspace, or a conversation in it.
type share interface {
	// load is the size of the share: its bytes, and eventWeight for each entry.
	load() int64
	// setPlace notes the share's index in the heap.
	setPlace(i int)
}

// heap has the largest share on top. container/heap would take 200 ns for each event
// published: here a share that grows is compared with the share above it, and most often
// that is all.
type heap[T share] struct{ items []T }

func (h *heap[T]) add(t T) {
	h.items = append(h.items, t)
	t.setPlace(len(h.items) - 1)
	h.grown(len(h.items) - 1)
}

// remove takes out the share at i.
func (h *heap[T]) remove(i int) {
	last := len(h.items) - 1
	if i != last {
		h.swap(i, last)
	}
	var zero T
	h.items[last] = zero
	h.items = h.items[:last]
	if i != last {
		h.grown(i)
		h.shrunk(i)
	}
}

// grown restores the order after the share at i has grown.
func (h *heap[T]) grown(i int) {
	for i > 0 {
		above := (i - 1) / 2
		if h.items[i].load() <= h.items[above].load() {
			return
		}
		h.swap(i, above)
		i = above
	}
}

// shrunk restores the order after the share at i has shrunk.
func (h *heap[T]) shrunk(i int) {
	for {
		largest := i
		for child := 2*i + 1; child <= 2*i+2 && child < len(h.items); child++ {
			if h.items[child].load() > h.items[largest].load() {
				largest = child
			}
		}
		if largest == i {
			return
		}
		h.swap(i, largest)
		i = largest
	}
}

func (h *heap[T]) swap(i, j int) {
	h.items[i], h.items[j] = h.items[j], h.items[i]
	h.items[i].setPlace(i)
	h.items[j].setPlace(j)
}
