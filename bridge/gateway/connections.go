package gateway

import "sync"

// connections are the proxied WebSockets and polls, to be closed from outside.
// The zero value is empty.
type connections struct {
	mu  sync.Mutex
	all map[*connection]struct{}
}

// connection is one of them. close is called at most once by connections, under
// its lock, and must not block.
type connection struct{ close func() }

// add registers a connection; the returned function takes it back.
func (s *connections) add(close func()) (remove func()) {
	c := &connection{close: close}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.all == nil {
		s.all = make(map[*connection]struct{})
	}
	s.all[c] = struct{}{}
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.all, c)
	}
}

// close closes up to n of them, all where n is negative, and returns how many.
// Go's map order makes the choice random enough.
func (s *connections) close(n int) (closed int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.all {
		if closed == n {
			break
		}
		delete(s.all, c)
		c.close()
		closed++
	}
	return closed
}
