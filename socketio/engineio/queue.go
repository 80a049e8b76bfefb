package engineio

import (
	"context"
	"time"
)

// Verdict is the result of an offer.
type Verdict uint8

const (
	// Queued: the message is in the queue.
	Queued Verdict = iota
	// Closed: the session is closed or closing.
	Closed
	// FullPackets: the queue has Options.QueuePackets messages.
	FullPackets
	// FullBytes: the queue is not empty, and with the message would have more than
	// Options.QueueBytes.
	FullBytes
	// Skipped: the session is paused, and the message is a broadcast.
	Skipped
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

// OfferBroadcast is Offer for a message to many sessions, which a paused session
// does not get.
func (s *Session) OfferBroadcast(m *Message) Verdict { return s.offer(m, true) }

// Pause makes OfferBroadcast skip the session, until it is called with false.
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
		return Closed
	case broadcast && s.paused:
		return Skipped
	case s.depth >= l.QueuePackets:
		return FullPackets
	case s.depth > 0 && s.size+m.Size() > l.QueueBytes:
		return FullBytes
	}
	s.push(m)
	return Queued
}

// Send queues m and reports whether it did. It never blocks. A session whose queue
// is full is closed (QueuePackets, QueueBytes).
func (s *Session) Send(m *Message) bool {
	v := s.Offer(m)
	if v == FullPackets || v == FullBytes {
		s.CloseNow(v.Reason())
	}
	return v == Queued
}

// push queues m and schedules the session. mu is held.
func (s *Session) push(m *Message) {
	if len(s.queue) == 0 {
		s.since = s.server.now()
	}
	s.queue = append(s.queue, m)
	s.depth++
	s.size += m.Size()
	s.schedule()
}

// schedule has what is queued written: by the poll that waits, by the writer, or,
// for connections that do not tell whether a write would wait, by drain. mu is held.
func (s *Session) schedule() {
	switch {
	case s.listed || s.writeOwned:
	case s.ws == nil:
		s.polls.wake()
	case s.ws.raw == nil && s.ws.wire == nil:
		s.writeOwned = true
		s.server.goroutines.Go(func() { s.drain(s.ws, nil, nil, 0, 0) })
	default:
		s.listed = true
		s.writer.push(s)
	}
}

// WaitSpace waits until the queue is at most a quarter full and has room for m, or
// until the session is no longer open, which Send reports. The error is ctx's.
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

// Load is what a session was sent, and what waits for it.
type Load struct {
	// Sent counts the messages that were written, or are being written.
	Sent uint64
	// Queued messages and Bytes wait or are being written.
	Queued, Bytes int
	// Paused: broadcasts skip it.
	Paused bool
}

// Load returns the session's.
func (s *Session) Load() Load {
	s.mu.Lock()
	defer s.mu.Unlock()
	return Load{Sent: s.taken, Queued: s.depth, Bytes: s.size, Paused: s.paused}
}

// fits reports whether the queue has room for m by its bytes. mu is held.
func (s *Session) fits(m *Message) bool {
	return s.depth == 0 || s.size+m.Size() <= s.server.limits.Load().QueueBytes
}

// hasSpace reports whether the queue is at most a quarter full. mu is held.
func (s *Session) hasSpace() bool {
	l := s.server.limits.Load()
	return s.depth <= l.QueuePackets/4 && s.size <= l.QueueBytes/4
}

// take moves messages off the queue, about maxBytes at most but one at least, and
// returns since when the oldest has waited. mu is held, and the caller is the one
// goroutine that may write.
func (s *Session) take(batch []*Message, maxBytes int) ([]*Message, time.Duration) {
	n, size := 0, 0
	for n < len(s.queue) && (n == 0 || size+s.queue[n].Size() <= maxBytes) {
		size += s.queue[n].Size()
		n++
	}
	batch = append(batch, s.queue[:n]...)
	s.taken += uint64(n)
	left := copy(s.queue, s.queue[n:])
	clear(s.queue[left:])
	s.queue = s.queue[:left]
	if left == 0 && cap(s.queue) > maxIdleQueue {
		s.queue = nil
	}
	s.addQueued(-n, -size)
	if s.beat.queued && n > 0 { // a ping is the first
		s.pinged()
	}
	return batch, s.since
}

// maxIdleQueue is the capacity that an empty queue may keep: enough that a busy
// session does not allocate, little enough for thousands of idle ones.
const maxIdleQueue = 64

// lastTaken reports whether the queue of a closing session is empty, so that the
// session is closed, for this reason, once what was taken is written. mu is held.
func (s *Session) lastTaken() (bool, Reason) {
	return s.state == stateClosing && len(s.queue) == 0, s.reason
}

// addQueued adds to the counts of the queue. mu is held.
func (s *Session) addQueued(messages, bytes int) {
	s.depth += messages
	s.size += bytes
	if s.space != nil && s.hasSpace() {
		close(s.space)
		s.space = nil
	}
}
