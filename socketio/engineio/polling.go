package engineio

import (
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"
)

const (
	// lateGrace is how long a session that the client closed by POST keeps a noop
	// for its poll: the two requests come on two connections, and the later one
	// may be served first. A client must not be punished for that with an error.
	lateGrace = 100 * time.Millisecond
	// upgradeHold is how long a poll waits while the client upgrades. Then it gets
	// a noop, so that the client can stop polling. If the upgrade is completed
	// meanwhile the poll was late, and gets an error, as it would from a server
	// that serves its requests in the order of sending.
	upgradeHold = 100 * time.Millisecond
)

// polling is the state of the polling transport. Its session's mu guards it.
type polling struct {
	waiting   chan struct{} // of the GET that waits, to wake it; nil if none does
	posting   bool          // a POST is being read
	cut       func()        // makes an end of reading it
	upgrading bool          // a WebSocket was opened for the session
	probed    bool          // and has sent its probe
	upgraded  bool          // and has taken over
	candidate *wsConn       // that WebSocket, until then
	// The session has ended, and this is what the waiting poll gets: a close
	// packet, or a noop if the client closed it.
	final string
	late  bool // the client closed it, and its poll is still to come
}

// wake lets the waiting poll look again. mu is held.
func (p *polling) wake() {
	if p.waiting != nil {
		select {
		case p.waiting <- struct{}{}:
		default:
		}
	}
}

// end sets what the waiting poll gets, and reports whether a late one may come for
// it. mu is held.
func (p *polling) end(reason Reason) (late bool) {
	p.final = "1"
	if p.cut != nil {
		p.cut()
	}
	if reason == ClientClose {
		p.final = "6"
		p.late = p.waiting == nil
	}
	p.wake()
	return p.late
}

// openPolling answers a handshake over polling.
func (s *Session) openPolling(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	s.polls = &polling{}
	s.held = false
	s.mu.Unlock()
	s.server.polling.Add(1)
	s.begin(r)
	var body [192]byte
	s.respondPoll(w, s.server.appendOpen(body[:0], s.id, false))
}

// awaitLatePoll keeps an ended session for the poll that may still come.
func (s *Session) awaitLatePoll() {
	server := s.server
	server.mu.Lock()
	server.late[s.id] = s
	server.mu.Unlock()
	server.goroutines.enter()
	time.AfterFunc(lateGrace, func() {
		defer server.goroutines.leave()
		server.mu.Lock()
		delete(server.late, s.id)
		server.mu.Unlock()
	})
}

// pollBuffers keeps the buffers of polling bodies.
var pollBuffers = sync.Pool{New: func() any { return new([]byte) }}

// servePoll answers a GET: with what is queued, as soon as something is.
func (s *Session) servePoll(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	p := s.polls
	switch {
	case p == nil || p.upgraded:
		s.mu.Unlock()
		s.server.refuse(w, r, BadRequest)
		return
	case s.state == stateClosed:
		late := p.late
		p.late = false
		s.mu.Unlock()
		if late {
			s.respondPoll(w, []byte("6"))
		} else {
			s.server.refuse(w, r, UnknownSession)
		}
		return
	case p.waiting != nil:
		s.mu.Unlock()
		s.end(TransportError)
		s.server.refuse(w, r, BadRequest)
		return
	}
	p.waiting = make(chan struct{}, 1)
	early := !p.probed
	s.mu.Unlock()
	s.poll(w, r, p, early)
}

// poll waits for what the GET is to be answered with. p.waiting is this poll's;
// early tells that it came before the probe of an upgrade, so that the noop that
// lets the client go on is due with the probe, not held back.
func (s *Session) poll(w http.ResponseWriter, r *http.Request, p *polling, early bool) {
	var hold <-chan time.Time
	held := false
	for {
		s.mu.Lock()
		switch {
		case p.upgraded:
			p.waiting = nil
			s.mu.Unlock()
			s.server.refuse(w, r, BadRequest)
			return
		case s.state == stateClosed:
			final := p.final
			p.waiting = nil
			s.mu.Unlock()
			s.respondPoll(w, []byte(final))
			return
		case len(s.queue) > 0:
			s.answer(w, r, p)
			return
		case held || p.probed && early:
			p.waiting = nil
			s.mu.Unlock()
			s.respondPoll(w, []byte("6"))
			return
		}
		if p.probed && hold == nil {
			timer := time.NewTimer(upgradeHold)
			defer timer.Stop()
			hold = timer.C
		}
		s.mu.Unlock()
		select {
		case <-p.waiting:
		case <-hold:
			held = true
		case <-r.Context().Done():
			s.mu.Lock()
			p.waiting = nil
			s.mu.Unlock()
			s.end(TransportError)
			return
		}
	}
}

// answer writes what is queued. mu is held and released.
func (s *Session) answer(w http.ResponseWriter, r *http.Request, p *polling) {
	batch, since := s.take(nil, s.server.limits.Load().QueueBytes)
	ends, reason := s.ends()
	// From here on the client may have the answer, and poll again.
	p.waiting = nil
	s.mu.Unlock()

	buffer := pollBuffers.Get().(*[]byte)
	body, packets := (*buffer)[:0], 0
	for _, m := range batch {
		body = appendPayload(body, m)
		packets += m.packets()
	}
	// After the answer the client may close its connection as it likes.
	ok := r.Context().Err() == nil && s.respondPoll(w, body)
	if cap(body) <= maxBatch {
		*buffer = body
		pollBuffers.Put(buffer)
	}

	var written tally
	written.add(packets, len(body), s.server.now()-since)
	s.server.count(&written)
	switch {
	case !ok:
		s.end(TransportError)
	case ends:
		s.finish(reason, true)
	}
}

// respondPoll writes the body of a poll and reports whether it got out.
func (s *Session) respondPoll(w http.ResponseWriter, body []byte) bool {
	h := w.Header()
	h.Set("Content-Type", "text/plain; charset=UTF-8")
	return s.respond(w, body)
}

func (s *Session) respond(w http.ResponseWriter, body []byte) bool {
	h := w.Header()
	h.Set("Content-Length", strconv.Itoa(len(body)))
	h.Set("Cache-Control", "no-store")
	rc := http.NewResponseController(w)
	// Not every ResponseWriter has deadlines; the server's own may do then.
	_ = rc.SetWriteDeadline(time.Now().Add(s.server.limits.Load().WriteTimeout))
	w.WriteHeader(http.StatusOK)
	if _, err := w.Write(body); err != nil {
		return false
	}
	if err := rc.Flush(); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return false
	}
	_ = rc.SetWriteDeadline(time.Time{})
	return true
}

// servePost serves a POST: packets of the client.
func (s *Session) servePost(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	p := s.polls
	switch {
	case p == nil || p.upgraded:
		s.mu.Unlock()
		s.server.refuse(w, r, BadRequest)
		return
	case s.state == stateClosed:
		s.mu.Unlock()
		s.server.refuse(w, r, UnknownSession)
		return
	case p.posting || strings.HasPrefix(r.Header.Get("Content-Type"), "application/octet-stream"):
		s.mu.Unlock()
		s.end(TransportError)
		s.server.refuse(w, r, BadRequest)
		return
	}
	p.posting = true
	s.mu.Unlock()
	s.server.goroutines.enter()
	defer s.server.goroutines.leave()
	s.post(w, r)
}

func (s *Session) post(w http.ResponseWriter, r *http.Request) {
	body, err := s.readBody(w, r)
	if err == nil {
		err = DecodePayload(body, s.handle)
	}
	// Before the answer, which lets the client send the next one.
	s.mu.Lock()
	s.polls.posting = false
	s.mu.Unlock()
	if tooBig := (*http.MaxBytesError)(nil); errors.As(err, &tooBig) {
		s.end(PayloadTooBig)
		w.Header().Set("Connection", "close")
		w.WriteHeader(http.StatusRequestEntityTooLarge)
		return
	} else if err != nil {
		reason := TransportError
		if errors.Is(err, ErrPacket) {
			reason = ParseError
		}
		s.end(reason)
		s.server.refuse(w, r, BadRequest)
		return
	}
	w.Header().Set("Content-Type", "text/html")
	s.respond(w, []byte("ok"))
}

// readBody reads a POST's body, PingTimeout long at most (see [Server.ServeHTTP])
// and no longer than the session lives.
func (s *Session) readBody(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	limit := int64(s.server.opts.MaxPayload)
	if r.ContentLength > limit {
		return nil, &http.MaxBytesError{Limit: limit}
	}
	rc := http.NewResponseController(w)
	s.mu.Lock()
	s.polls.cut = func() { _ = rc.SetReadDeadline(aLongTimeAgo) }
	s.mu.Unlock()
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, limit))
	s.mu.Lock()
	defer s.mu.Unlock()
	s.polls.cut = nil
	if err == nil {
		// Else it stays: the HTTP server may not read the rest for ever either.
		_ = rc.SetReadDeadline(time.Time{})
	}
	return body, err
}
