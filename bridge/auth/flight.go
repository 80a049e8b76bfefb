package auth

import (
	"context"
	"sync"
)

// flight lets one goroutine ask a question that several have, and gives all
// of them its answer. Its zero value is ready; it may be used from any
// goroutine.
type flight[K comparable, V any] struct {
	mu    sync.Mutex
	calls map[K]*call[V]
}

type call[V any] struct {
	done  chan struct{}
	value V
	err   error
}

// do asks in the caller's goroutine unless another is asking already; then it
// waits for that one's answer or the end of ctx. Because others may depend on
// the answer, ask must not end with its first caller's context but bound
// itself.
func (f *flight[K, V]) do(ctx context.Context, key K, ask func() (V, error)) (V, error) {
	f.mu.Lock()
	if c, asking := f.calls[key]; asking {
		f.mu.Unlock()
		select {
		case <-c.done:
			return c.value, c.err
		case <-ctx.Done():
			var none V
			return none, ctx.Err()
		}
	}
	c := &call[V]{done: make(chan struct{})}
	if f.calls == nil {
		f.calls = make(map[K]*call[V])
	}
	f.calls[key] = c
	f.mu.Unlock()

	defer func() {
		f.mu.Lock()
		delete(f.calls, key)
		f.mu.Unlock()
		close(c.done)
	}()
	c.value, c.err = ask()
	return c.value, c.err
}
