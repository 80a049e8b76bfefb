package engineio

import (
	"context"
	"time"
)

// Verdict is what became of an offered message.
type Verdict uint8

const (
	// Queued: the message is in the queue.
	Queued Verdict = iota
	// Ended: the session has ended, or is about to.
	Ended
	// FullPackets: it would be more packets than Options.QueuePackets.
	FullPackets
	// FullBytes: it would be more bytes than Options.QueueBytes, and others wait.
	FullBytes
	// Passed: the session is paused, and the message was one for many.
	Passed
)

// Reason returns the reason for closing a session whose queue is full.
func (v Verdict) Reason() Reason {
	if v == FullPackets {
		return QueuePackets
	}
	return QueueBytes
}

// Offer queues m if there is room. An empty queue has room for any message,
// whatever its size: the bounds are for what waits. It never blocks.
func (s *Session) Offer(m *Message) Verdict { return s.offer(m, false) }

// OfferBroadcast is Offer for a message to many sessions: one that is paused is
// passed over.
func (s *Session) OfferBroadcast(m *Message) Verdict { return s.offer(m, true) }

// Pause lets OfferBroadcast pass the session over, until it is called with
// false.
func (s *Session) Pause(paused bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.paused = paused
}

func (s *Session) offer(m *Message, broadcast bool) Verdict {
	l := s.server.limits.Load()
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.state != stateOpen:
		return Ended
	case broadcast && s.paused:
		return Passed
	case s.depth >= l.QueuePackets:
		return FullPackets
	case s.depth > 0 && s.size+len(m.frames) > l.QueueBytes:
		return FullBytes
	}
	s.push(m)
	return Queued
}

// Send queues m and reports whether the session took it. It never blocks. A
// session whose queue is full is closed (QueuePackets, QueueBytes), and takes
// nothing.
func (s *Session) Send(m *Message) bool {
	v := s.Offer(m)
	if v == FullPackets || v == FullBytes {
		s.Abort(v.Reason())
	}
	return v == Queued
}

// push queues m and sees to it that it gets written. mu is held.
func (s *Session) push(m *Message) {
	if len(s.queue) == 0 {
		s.since = s.server.now()
	}
	s.queue = append(s.queue, m)
	s.depth++
	s.size += len(m.frames)
	s.schedule()
}

// schedule sees to it that what is queued gets written. mu is held.
func (s *Session) schedule() {
	switch {
	case s.ready || s.held:
	case s.ws == nil:
		s.polls.wake()
	case s.ws.fd < 0:
		s.held = true
		s.server.goroutines.run(func() { s.drain(s.ws, nil, 0, 0) })
	default:
		s.ready = true
		s.writer.push(s)
	}
}

// WaitSpace waits until the queue is at most a quarter full and has room for m,
// or the session has ended, which Send will tell. The error is ctx's.
func (s *Session) WaitSpace(ctx context.Context, m *Message) error {
	for {
		s.mu.Lock()
		if s.state != stateOpen || s.hasSpace() && s.fits(m) {
			s.mu.Unlock()
			return nil
		}
		if s.space == nil {
			s.space = make(chan struct{})
		}
		space := s.space
		s.mu.Unlock()
		select {
		case <-space:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// fits reports whether the queue has room for m by its bytes. mu is held.
func (s *Session) fits(m *Message) bool {
	return s.depth == 0 || s.size+len(m.frames) <= s.server.limits.Load().QueueBytes
}

// hasSpace reports whether the queue is at most a quarter full. mu is held.
func (s *Session) hasSpace() bool {
	l := s.server.limits.Load()
	return s.depth <= l.QueuePackets/4 && s.size <= l.QueueBytes/4
}

// take moves messages off the queue, about maxBytes at most but one at least, and
// returns since when the oldest has waited. mu is held, and the caller has the
// wire.
func (s *Session) take(batch []*Message, maxBytes int) ([]*Message, time.Duration) {
	n, size := 0, 0
	for n < len(s.queue) && (n == 0 || size+len(s.queue[n].frames) <= maxBytes) {
		size += len(s.queue[n].frames)
		n++
	}
	batch = append(batch, s.queue[:n]...)
	left := copy(s.queue, s.queue[n:])
	clear(s.queue[left:])
	s.queue = s.queue[:left]
	if left == 0 && cap(s.queue) > maxIdleQueue {
		s.queue = nil
	}
	s.settle(n, size)
	if s.beat.queued && left == 0 {
		s.pinged()
	}
	return batch, s.since
}

// maxIdleQueue is the capacity that an empty queue may keep: enough that a busy
// session does not allocate, little enough for thousands of idle ones.
const maxIdleQueue = 64

// ends reports whether all of a closing session's queue has been taken, so that it
// ends when that is written. mu is held.
func (s *Session) ends() (bool, Reason) {
	return s.state == stateClosing && len(s.queue) == 0, s.reason
}

// settle accounts for what has left. mu is held.
func (s *Session) settle(n, size int) {
	s.depth -= n
	s.size -= size
	if s.space != nil && s.hasSpace() {
		close(s.space)
		s.space = nil
	}
}
