package gateway

import "sync"

// registry holds what can be cut: proxied websockets and polls. Go's map order
// makes the choice random enough.
type registry struct {
	mu   sync.Mutex
	cuts map[*cutter]struct{}
}

// cutter closes one proxied connection. The function is called at most once by
// the registry, and must not block.
type cutter struct{ cut func() }

// add registers cut; the returned function takes it back.
func (r *registry) add(cut func()) (remove func()) {
	c := &cutter{cut: cut}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.cuts == nil {
		r.cuts = make(map[*cutter]struct{})
	}
	r.cuts[c] = struct{}{}
	return func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		delete(r.cuts, c)
	}
}

// cut cuts up to n of them, all where n is negative, and returns how many.
func (r *registry) cut(n int) (count int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for c := range r.cuts {
		if count == n {
			break
		}
		delete(r.cuts, c)
		c.cut()
		count++
	}
	return count
}
