package realtime

import (
	"maps"
	"sync"
	"sync/atomic"
	"time"
)

// hold keeps streamed changes back for a bounded time while what went before
// them is being read, so that the order of commits is kept across a gap.
type hold struct {
	clock *clock
	queue *queue

	mu    sync.Mutex
	until time.Duration // of clock.Elapsed
	// conversations wait alone: see conversation.
	conversations map[string]span
	some          atomic.Int64 // their number
}

// span is a time in which something waits, of clock.Elapsed.
type span struct{ since, until time.Duration }

func newHold(c *clock, q *queue) *hold {
	return &hold{clock: c, queue: q, conversations: map[string]span{}}
}

// conversation makes the changes of one conversation wait for at most d, because one of
// it that went before them is to be read back by the pass that begins at since, or
// after. The empty conversation is none.
func (h *hold) conversation(id string, since, d time.Duration) {
	if id == "" {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if _, waits := h.conversations[id]; !waits {
		h.conversations[id] = span{since, h.clock.Elapsed() + d}
	}
	h.some.Store(int64(len(h.conversations)))
}

// passed lets the conversations go that wait for the pass that began at since, or for
// an earlier one.
func (h *hold) passed(since time.Duration) {
	h.mu.Lock()
	maps.DeleteFunc(h.conversations, func(_ string, s span) bool { return s.since <= since })
	h.some.Store(int64(len(h.conversations)))
	h.mu.Unlock()
	h.queue.poke()
}

// holds reports whether a change waits because of its conversation.
func (h *hold) holds(c *change) bool {
	if h.some.Load() == 0 {
		return false
	}
	id := c.conversation()
	h.mu.Lock()
	defer h.mu.Unlock()
	s, waits := h.conversations[id]
	if waits && s.until <= h.clock.Elapsed() {
		delete(h.conversations, id)
		waits = false
	}
	h.some.Store(int64(len(h.conversations)))
	return waits
}

// next is the time until the first wait of a conversation ends by itself; an hour where
// none waits.
func (h *hold) next() time.Duration {
	h.mu.Lock()
	defer h.mu.Unlock()
	left := time.Hour
	for _, s := range h.conversations {
		left = min(left, max(s.until-h.clock.Elapsed(), 0))
	}
	return left
}

// begin makes the changes wait for at most d from now.
func (h *hold) begin(d time.Duration) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.until = h.clock.Elapsed() + d
}

// end releases the changes.
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
	return h.until - h.clock.Elapsed()
}
