package replay

// loaded is what takes a share of the Log.
type loaded interface {
	// load is the size of the share: its bytes, and eventWeight for each entry.
	load() int64
	// setPlace notes where it is in loads.
	setPlace(i int)
}

// loads is a heap (container/heap) with the largest share on top.
type loads[T loaded] struct{ items []T }

func (h *loads[T]) Len() int           { return len(h.items) }
func (h *loads[T]) Less(i, j int) bool { return h.items[i].load() > h.items[j].load() }

func (h *loads[T]) Swap(i, j int) {
	h.items[i], h.items[j] = h.items[j], h.items[i]
	h.items[i].setPlace(i)
	h.items[j].setPlace(j)
}

func (h *loads[T]) Push(x any) {
	t := x.(T)
	t.setPlace(len(h.items))
	h.items = append(h.items, t)
}

func (h *loads[T]) Pop() any {
	last := len(h.items) - 1
	t := h.items[last]
	var zero T
	h.items[last] = zero
	h.items = h.items[:last]
	return t
}
