package realtime

import (
	"sync"
	"time"
)

// hold keeps streamed changes back for a bounded time while what went before
// them is being read, so that the order of commits is kept across a gap.
type hold struct {
	clock *clock
	queue *queue

	mu    sync.Mutex
	until time.Duration // of clock.elapsed
}

func newHold(c *clock, q *queue) *hold { return &hold{clock: c, queue: q} }

// begin makes the changes wait for at most d from now.
func (h *hold) begin(d time.Duration) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.until = h.clock.elapsed() + d
}

// end lets the changes go.
func (h *hold) end() {
	h.mu.Lock()
	h.until = 0
	h.mu.Unlock()
	h.queue.poke()
}

// left is how much longer the changes wait, 0 or less for not.
func (h *hold) left() time.Duration {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.until == 0 {
		return 0
	}
	return h.until - h.clock.elapsed()
}
