package engineio

import (
	"sync/atomic"
	"time"
)

// Watch is told when a message is written to clients' connections. Safe for concurrent
// use; the zero Watch is ready.
type Watch struct {
	queued, written atomic.Int64
	first, last     atomic.Int64 // Unix nanoseconds
}

// Watch has w told of m from now on. Call it before m is sent to anybody.
func (m *Message) Watch(w *Watch) { m.watch = w }

// Watched returns what is told of m, nil for nothing.
func (m *Message) Watched() *Watch { return m.watch }

// Queued adds sessions in whose queues the message was put.
func (w *Watch) Queued(sessions int) { w.queued.Add(int64(sessions)) }

// Written returns to how many sessions the message was written so far, of how many in
// whose queues it was put, and when the first and the last write was.
func (w *Watch) Written() (written, queued int64, first, last time.Time) {
	if written = w.written.Load(); written > 0 {
		first, last = time.Unix(0, w.first.Load()), time.Unix(0, w.last.Load())
	}
	return written, w.queued.Load(), first, last
}

func (w *Watch) wrote() {
	now := time.Now().UnixNano()
	w.first.CompareAndSwap(0, now)
	for last := w.last.Load(); now > last && !w.last.CompareAndSwap(last, now); {
		last = w.last.Load()
	}
	w.written.Add(1)
}

// wrote counts the messages, which were written to one session, at their Watch.
func wrote(batch []*Message) {
	for _, m := range batch {
		if m.watch != nil {
			m.watch.wrote()
		}
	}
}
