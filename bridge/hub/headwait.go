package hub

import (
	"container/heap"
	"context"
	"time"
)

// Clients that are ahead of the log (ahead.go) and sessions of other processes (AwaitHead)
// wait until the log's head reaches their offset. Each is woken when it does, or when it
// can no longer. Until then the cost of an event does not depend on how many wait.

// wakeAtOnce bounds how many waits are ended while an event is published. Everyone woken
// wakes two more.
const wakeAtOnce = 64

// headWait is a wait for the head to reach an offset.
type headWait struct {
	at    Offset
	woken chan struct{}
	index int // in the heap; -1 once it was taken out
}

// headWaits is a heap with the lowest position on top. The Hub's mu guards it.
type headWaits struct {
	heap headHeap
	// oldest is the earliest commit time waited for, or an earlier one.
	oldest time.Time
}

// add begins a wait. The caller must end it with removeWait.
func (w *headWaits) add(at Offset) *headWait {
	e := &headWait{at: at, woken: make(chan struct{})}
	if len(w.heap) == 0 || at.Commit.Before(w.oldest) {
		w.oldest = at.Commit
	}
	heap.Push(&w.heap, e)
	return e
}

// wake ends a wait.
func (w *headWaits) wake(e *headWait) {
	if e.index >= 0 {
		heap.Remove(&w.heap, e.index)
		close(e.woken)
	}
}

// wakeReached ends waits whose position has been reached, most of them at most. mu must
// be held.
func (h *Hub) wakeReached(most int) {
	for ; most > 0 && len(h.waits.heap) > 0; most-- {
		first := h.waits.heap[0]
		if first.at.Position.Compare(h.log.Head()) > 0 {
			return
		}
		h.waits.wake(first)
	}
}

// wakeAll ends all waits; those who waited check whether to wait again. mu must be held.
func (h *Hub) wakeAll() {
	all := h.waits.heap
	h.waits.heap = nil
	for _, e := range all {
		e.index = -1
		close(e.woken)
	}
}

// headHasMoved is called at each event. mu must be held.
func (h *Hub) headHasMoved(now time.Time) {
	h.headMoved = now
	if len(h.waits.heap) == 0 {
		return
	}
	h.wakeReached(wakeAtOnce)
	if !h.waits.oldest.IsZero() && h.tooOld(h.waits.oldest) {
		h.wakeAll()
	}
}

// removeWait ends a wait, and wakes two others whose position has been reached. mu must
// be held.
func (h *Hub) removeWait(e *headWait) {
	h.waits.wake(e)
	h.wakeReached(2)
}

// wait waits until e is woken, or until ctx or the Hub's Run ends, and reports whether e
// was woken.
func (h *Hub) wait(ctx context.Context, e *headWait) bool {
	select {
	case <-e.woken:
		return true
	case <-ctx.Done():
	case <-h.running.Done():
	}
	return false
}

type headHeap []*headWait

func (h headHeap) Len() int           { return len(h) }
func (h headHeap) Less(i, j int) bool { return h[i].at.Position.Compare(h[j].at.Position) < 0 }
func (h headHeap) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].index, h[j].index = i, j
}

func (h *headHeap) Push(e any) {
	e.(*headWait).index = len(*h)
	*h = append(*h, e.(*headWait))
}

func (h *headHeap) Pop() any {
	last := len(*h) - 1
	e := (*h)[last]
	(*h)[last] = nil
	*h, e.index = (*h)[:last], -1
	return e
}
