package engineio

import "time"

// heartbeat is the state of a session's pings. Its session's mu guards it.
type heartbeat struct {
	timer *time.Timer
	// due is when the next ping must leave, or, when awaiting, when the pong must
	// have come. Deadlines follow from one another and not from when a timer fired,
	// so that its lateness does not add up.
	due        time.Duration
	lastPacket time.Duration // when the last packet of the client came
	awaiting   bool          // a pong is awaited
	queued     bool          // a ping waits in the queue
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

// tick runs when a deadline has come: it sends a ping or closes the session.
func (s *Session) tick() {
	s.mu.Lock()
	now := s.server.now()
	switch {
	case s.state == stateClosed:
		s.mu.Unlock()
	case s.state == stateClosing: // WriteTimeout is over
		reason := s.reason
		s.mu.Unlock()
		s.CloseNow(reason)
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
			s.CloseNow(PingTimeout)
		}
	}
}

// ping sends a ping and arms the deadline of its pong. mu is held.
func (s *Session) ping(now time.Duration) {
	timeout := s.server.opts.PingTimeout
	// After the machine has slept, clients get the full time. A machine that is only
	// busy is late by less.
	if now-s.beat.due > max(timeout, 2*time.Second) {
		s.beat.due = now
	}
	s.beat.due += timeout
	s.beat.awaiting = true
	s.beat.timer.Reset(s.beat.due - now)
	s.beat.queued = true
	s.push(pingMessage)
}

// pinged is called when the ping leaves the queue. From then on its pong has the full
// time, also if the machine is so busy that the ping was late; the deadline counted
// from when the ping was due is for clients that never fetch it. mu is held.
func (s *Session) pinged() {
	s.beat.queued = false
	s.beat.due = max(s.beat.due, s.server.now()+s.server.opts.PingTimeout)
}

// pongLate reports whether the pong is overdue. A client that sent another packet
// within PingTimeout is alive, its pong is only behind that: this moves the deadline.
// mu is held.
func (s *Session) pongLate(now time.Duration) bool {
	if now < s.beat.due {
		return false
	}
	if alive := s.beat.lastPacket + s.server.opts.PingTimeout; alive > now {
		s.beat.due = alive
		return false
	}
	return true
}

// closeIfPongLate closes the session if its pong is overdue, and reports whether it
// did. A request may come a moment before the timer, and must not find the session
// open.
func (s *Session) closeIfPongLate() bool {
	s.mu.Lock()
	late := s.state == stateOpen && s.beat.awaiting && s.pongLate(s.server.now())
	s.mu.Unlock()
	if late {
		s.CloseNow(PingTimeout)
	}
	return late
}
