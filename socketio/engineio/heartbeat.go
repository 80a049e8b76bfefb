package engineio

import (
	"net"
	"time"
)

// heartbeat is the state of a session's pings. Its session's mu guards it.
type heartbeat struct {
	timer *time.Timer
	// due is when the next ping must leave, or, when awaiting, when the pong must
	// have come. Deadlines follow from one another and not from when a timer fired,
	// so that its lateness does not add up.
	due        time.Duration
	lastPacket time.Duration // when the last packet of the client came
	lastTaken  time.Duration // when a slow client was last seen to take what is written
	awaiting   bool          // a pong is awaited
	queued     bool          // a ping waits in the queue
	// Of the last check for a late pong: what the client had acknowledged then, and
	// what it will have with the ping. Zero before.
	acked, target uint64
}

// pingMessage is the heartbeat of the server.
var pingMessage = newMessage("2", []byte{}, nil)

// startHeartbeat arms the first ping. mu is held.
func (s *Session) startHeartbeat() {
	now := s.server.now()
	s.beat.due = s.nextPing(now)
	s.beat.timer = time.AfterFunc(s.beat.due-now, s.tick)
}

// pingSteps is by how many steps in a PingInterval pings leave: sessions whose pings fall
// due in the same step share its wake-up, and their pongs another one; steps are no
// longer than a twentieth of PingTimeout, within which clients await a ping. Waking up for each
// of 19,000 sessions was half of what idle clients cost.
const pingSteps = 500

// nextPing is when a session that is alive now is asked again: after PingInterval, and
// at the next step.
func (s *Session) nextPing(now time.Duration) time.Duration {
	o := &s.server.opts
	step := max(min(o.PingInterval/pingSteps, o.PingTimeout/20), 1)
	due := now + o.PingInterval + step - 1
	return due - due%step
}

func (b *heartbeat) stop() {
	if b.timer != nil {
		b.timer.Stop()
	}
}

// pong ends the wait for a pong. mu is held.
func (s *Session) pong(now time.Duration) {
	s.beat.awaiting = false
	s.beat.due = s.nextPing(now)
	s.beat.timer.Reset(s.beat.due - now)
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
	s.beat.acked, s.beat.target = 0, 0
	// Before what is queued: a client that is slow to read counts the server as dead
	// if no ping comes in time.
	s.push(pingMessage)
	copy(s.queue[1:], s.queue)
	s.queue[0] = pingMessage
}

// pinged is called when the ping leaves the queue. From then on its pong has the full
// time, also if the machine is so busy that the ping was late; the deadline counted
// from when the ping was due is for clients that never fetch it. mu is held.
func (s *Session) pinged() {
	s.beat.queued = false
	s.beat.due = max(s.beat.due, s.server.now()+s.server.opts.PingTimeout)
}

// pongLate reports whether the pong is overdue. A client that sent another packet
// within PingTimeout is alive, its pong is only behind that; and one that is slow to
// take what it is sent may not have the ping yet: these move the deadline. mu is held.
func (s *Session) pongLate(now time.Duration) bool {
	if now < s.beat.due {
		return false
	}
	alive := max(s.beat.lastPacket, s.beat.lastTaken)
	if alive += s.server.opts.PingTimeout; alive <= now && s.pingUnderWay() {
		alive = now + s.server.opts.PingTimeout
	}
	if alive > now {
		s.beat.due = alive
		return false
	}
	return true
}

// pingUnderWay reports whether the ping may not have reached the client yet, which
// takes what was written before it. Only what waited at the first check counts, so a
// client that reads and sends no pong is late at the second. mu is held.
func (s *Session) pingUnderWay() bool {
	var conn net.Conn
	switch {
	case s.ws != nil:
		conn = s.ws.Conn
	case s.polls != nil:
		conn = s.polls.conn
	}
	acked, waiting, ok := outbound(conn)
	if !ok || waiting == 0 || acked <= s.beat.acked {
		return false
	}
	if s.beat.target == 0 {
		s.beat.target = acked + uint64(waiting)
	}
	s.beat.acked = acked
	return acked < s.beat.target
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
