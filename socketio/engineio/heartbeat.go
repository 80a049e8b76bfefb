package engineio

import "time"

// heartbeat is the state of a session's pings. Its session's mu guards it.
type heartbeat struct {
	timer *time.Timer
	// due is when the next ping must leave, or, when awaiting, when the pong must
	// have come. Deadlines follow from one another and not from when a timer fired,
	// so that its lateness does not add up.
	due      time.Duration
	heard    time.Duration // when the last packet came
	awaiting bool
	queued   bool // a ping waits in the queue
}

// pingMessage is the heartbeat of the server.
var pingMessage = newMessage("2", []byte{}, nil)

// startHeartbeat arms the first ping. mu is held.
func (s *Session) startHeartbeat() {
	s.beat.due = s.server.now() + s.server.opts.PingInterval
	s.beat.timer = time.AfterFunc(s.server.opts.PingInterval, s.tick)
}

func (b *heartbeat) stop() {
	if b.timer != nil {
		b.timer.Stop()
	}
}

// pong ends the wait for a pong. mu is held.
func (s *Session) pong(now time.Duration) {
	s.beat.awaiting = false
	s.beat.due = now + s.server.opts.PingInterval
	s.beat.timer.Reset(s.server.opts.PingInterval)
}

// tick runs when a deadline has come: a ping, or the end.
func (s *Session) tick() {
	s.mu.Lock()
	now := s.server.now()
	switch {
	case s.state == stateClosed:
		s.mu.Unlock()
	case s.state == stateClosing: // it had its time to write
		reason := s.reason
		s.mu.Unlock()
		s.end(reason)
	case now < s.beat.due: // a pong has moved the deadline meanwhile
		s.beat.timer.Reset(s.beat.due - now)
		s.mu.Unlock()
	case !s.beat.awaiting:
		s.ping(now)
		s.mu.Unlock()
	default:
		late := s.pongLate(now)
		if !late {
			s.beat.timer.Reset(s.beat.due - now)
		}
		s.mu.Unlock()
		if late {
			s.end(PingTimeout)
		}
	}
}

// ping sends a ping and arms the deadline of its pong. mu is held.
func (s *Session) ping(now time.Duration) {
	timeout := s.server.opts.PingTimeout
	// A machine that slept must not take it out on its clients. One that is busy is
	// late by less.
	if now-s.beat.due > max(timeout, 2*time.Second) {
		s.beat.due = now
	}
	s.beat.due += timeout
	s.beat.awaiting = true
	s.beat.timer.Reset(s.beat.due - now)
	s.beat.queued = true
	s.push(pingMessage)
}

// pinged is called when the ping leaves the queue. Its pong has the full time from
// then on, also on a machine so busy that the ping was late; the deadline counted
// from when it was due is for clients that never fetch it. mu is held.
func (s *Session) pinged() {
	s.beat.queued = false
	s.beat.due = max(s.beat.due, s.server.now()+s.server.opts.PingTimeout)
}

// pongLate reports whether the pong is overdue. A client that sent anything else
// within the time is alive, its pong is only behind other packets: that moves the
// deadline. mu is held.
func (s *Session) pongLate(now time.Duration) bool {
	if now < s.beat.due {
		return false
	}
	if alive := s.beat.heard + s.server.opts.PingTimeout; alive > now {
		s.beat.due = alive
		return false
	}
	return true
}

// expire ends the session if its pong is overdue, and reports whether it did. A
// request may come a moment before the timer, and must not find the session alive.
func (s *Session) expire() bool {
	s.mu.Lock()
	late := s.state == stateOpen && s.beat.awaiting && s.pongLate(s.server.now())
	s.mu.Unlock()
	if late {
		s.end(PingTimeout)
	}
	return late
}
