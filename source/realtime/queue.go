package realtime

import "sync"

// queue hands changes from the connection's reader to the publisher. It is
// bounded in number and in bytes; the reader never waits for room.
type queue struct {
	// ready has a token whenever there may be something to take.
	ready chan struct{}

	mu       sync.Mutex
	items    []*change
	bytes    int64
	maxItems int
	maxBytes int64
}

func newQueue(items int, bytes int64) *queue {
	return &queue{ready: make(chan struct{}, 1), maxItems: items, maxBytes: bytes}
}

// push adds a change, false where there is no room. A change larger than the
// whole bound is let in when nothing else waits.
func (q *queue) push(c *change) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.items) > 0 && (len(q.items) >= q.maxItems || q.bytes+int64(c.size) > q.maxBytes) {
		return false
	}
	q.items = append(q.items, c)
	q.bytes += int64(c.size)
	q.poke()
	return true
}

// take returns all that waits.
func (q *queue) take() []*change {
	q.mu.Lock()
	defer q.mu.Unlock()
	items := q.items
	q.items, q.bytes = nil, 0
	return items
}

// len returns how many changes wait.
func (q *queue) len() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.items)
}

// poke makes the publisher check the queue.
func (q *queue) poke() {
	select {
	case q.ready <- struct{}{}:
	default:
	}
}
