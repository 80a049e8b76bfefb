package engineio

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"time"
)

// servePost serves a POST: packets of the client.
func (s *Session) servePost(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	p := s.polls
	switch {
	case p == nil || p.upgrade == upgradeDone:
		s.mu.Unlock()
		s.server.refuse(w, r, BadRequest)
		return
	case s.state == stateClosed:
		s.mu.Unlock()
		s.server.refuse(w, r, UnknownSession)
		return
	case p.posting || strings.HasPrefix(r.Header.Get("Content-Type"), "application/octet-stream"):
		s.mu.Unlock()
		s.CloseNow(TransportError)
		s.server.refuse(w, r, BadRequest)
		return
	}
	p.posting = true
	s.mu.Unlock()
	s.server.goroutines.add()
	defer s.server.goroutines.done()
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
		s.refuseBody(w)
		return
	} else if err != nil {
		reason := TransportError
		if errors.Is(err, ErrPacket) {
			reason = ParseError
		}
		s.CloseNow(reason)
		s.server.refuse(w, r, BadRequest)
		return
	}
	w.Header().Set("Content-Type", "text/html")
	s.respond(w, r, []byte("ok"))
}

// refuseBody answers a POST whose body is too large. Whether the session goes on is the
// client's to say, as with Node's server. It counts as a packet: bodies that are thrown
// away are no way around InboundPacketsPerSecond.
func (s *Session) refuseBody(w http.ResponseWriter) {
	s.server.refusals[PayloadTooBig].Add(1)
	if !s.countPacket() {
		s.CloseNow(RateLimit)
	}
	w.Header().Set("Connection", "close") // else the rest would be read
	w.WriteHeader(http.StatusRequestEntityTooLarge)
}

// readBody reads a POST's body, PingTimeout long at most (see [Server.ServeHTTP]) or
// UnauthenticatedTimeout, and no longer than the session is open.
func (s *Session) readBody(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	limit := int64(s.payloadLimit())
	if r.ContentLength > limit {
		return nil, &http.MaxBytesError{Limit: limit}
	}
	rc := http.NewResponseController(w)
	s.mu.Lock()
	s.polls.stopReading = func() { _ = rc.SetReadDeadline(aLongTimeAgo) }
	if timeout := s.server.opts.UnauthenticatedTimeout; timeout > 0 && s.standing != Authenticated && s.state != stateClosed {
		_ = rc.SetReadDeadline(time.Now().Add(timeout))
	}
	s.mu.Unlock()
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, limit))
	s.mu.Lock()
	defer s.mu.Unlock()
	s.polls.stopReading = nil
	if err == nil {
		// After an error the deadline stays: the HTTP server may read the rest.
		_ = rc.SetReadDeadline(time.Time{})
	}
	return body, err
}
