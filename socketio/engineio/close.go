package engineio

import "time"

// Close closes the session after what is queued was written, within WriteTimeout.
// The client gets a close packet or frame of the transport, nothing of Socket.IO.
// Further calls do nothing.
func (s *Session) Close(reason Reason) {
	s.mu.Lock()
	// On polling, without a poll to answer, the close packet would wait for the next
	// one: at shutdown there is no time for that, also if the session is closing.
	if s.ws == nil && (s.polls == nil || s.polls.waiting == nil) && reason == Shutdown {
		s.mu.Unlock()
		s.CloseNow(reason)
		return
	}
	if s.state != stateOpen {
		s.mu.Unlock()
		return
	}
	if reason == Shed {
		s.push(shedMessage)
	} else {
		s.push(closeMessage)
	}
	s.state, s.reason = stateClosing, reason
	if s.beat.timer != nil {
		s.beat.timer.Reset(s.server.limits.Load().WriteTimeout)
	}
	s.mu.Unlock()
}

// closeMessage closes a transport: a close frame, or a close packet.
var closeMessage = &Message{frames: []byte{opClose, 0}, text: []byte("1")}

// shedMessage ends a WebSocket without a close frame: after one, a client's WebSocket drops
// what the client sends until the connection has ended, without an error.
var shedMessage = &Message{frames: []byte{}, text: []byte("1")}

// CloseNow closes the session at once: what is queued is lost. The client gets a
// close packet or frame if that can be written without waiting. It waits neither for
// the client nor for the receiver. Further calls do nothing.
func (s *Session) CloseNow(reason Reason) { s.setClosed(reason, false) }

// setClosed closes the session; frameSent tells that the client has been sent a
// close frame.
func (s *Session) setClosed(reason Reason, frameSent bool) {
	s.mu.Lock()
	if s.state == stateClosed {
		s.mu.Unlock()
		return
	}
	if s.state == stateClosing { // the client may answer before we have counted the write
		reason = s.reason
		// The close frame is the last of the queue. While drain has it, it may be stuck.
		frameSent = frameSent || len(s.queue) == 0 && !s.writeOwned
	}
	s.state, s.reason = stateClosed, reason
	s.beat.stop()
	ws, writeOwned, receiver, standing := s.ws, s.writeOwned, s.receiver, s.standing
	s.queue, s.inbound = nil, bucket{}
	if s.space != nil {
		close(s.space)
		s.space = nil
	}
	if s.done != nil {
		close(s.done)
	}
	awaitsPoll := false
	if s.polls != nil && ws == nil {
		awaitsPoll = s.polls.close(reason)
		if c := s.polls.candidate; c != nil {
			_ = c.Conn.SetReadDeadline(aLongTimeAgo) // wakes the goroutine that probes it
		}
	}
	s.mu.Unlock()

	s.server.closes[reason].Add(1)
	s.server.admission.release(s, standing, s.server.now())
	s.server.unregister(s)
	if awaitsPoll {
		s.awaitLatePoll()
	}
	if ws != nil {
		s.server.webSocket.Add(-1)
		s.server.poller.remove(ws)
		s.server.goroutines.Go(func() { ws.closeFor(reason, !writeOwned && !frameSent, frameSent) })
	} else {
		s.server.polling.Add(-1)
	}
	if receiver != nil { // else begin calls it
		s.server.goroutines.Go(func() { receiver.Close(reason) })
	}
}

// shedTime is how long a client may take to see that it is shed.
const shedTime = 5 * time.Second

// closeWritten goes on with a graceful close when all is written. A client that is to come
// back elsewhere sends on until it sees the end of the connection, and the application goes
// on too: what it sends is still served, for shedTime at most.
func (s *Session) closeWritten(reason Reason) {
	if reason != Shed {
		s.setClosed(reason, true)
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.state != stateClosing || s.ws == nil {
		return
	}
	if s.beat.timer != nil {
		s.beat.timer.Reset(shedTime)
	}
	ws := s.ws
	s.server.goroutines.Go(ws.endWritesOfShed)
}

// aLongTimeAgo is a deadline that has passed.
var aLongTimeAgo = time.Unix(1, 0)
