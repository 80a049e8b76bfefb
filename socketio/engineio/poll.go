package engineio

import (
	"net/http"
	"sync"
	"time"
)

// maxPollBody is about how many bytes answer one poll, so that a slow client gets the
// next ping before it counts the server as dead.
const maxPollBody = 256 << 10

// pollBuffers has the buffers of polling bodies.
var pollBuffers = sync.Pool{New: func() any { return new([]byte) }}

// servePoll answers a GET: with what is queued, as soon as something is.
func (s *Session) servePoll(w http.ResponseWriter, r *http.Request, mark string) {
	s.mu.Lock()
	p := s.polls
	switch {
	case p == nil || p.upgrade == upgradeDone:
		s.mu.Unlock()
		s.server.refuse(w, r, BadRequest)
		return
	case s.state == stateClosed:
		late := p.late
		p.late = false
		s.mu.Unlock()
		if late {
			s.respondPoll(w, r, []byte("6"))
		} else {
			s.server.refuse(w, r, UnknownSession)
		}
		return
	case p.waiting != nil:
		s.mu.Unlock()
		s.CloseNow(TransportError)
		s.server.refuse(w, r, BadRequest)
		return
	}
	if body := p.asked.again(mark); body != nil {
		s.mu.Unlock()
		if !s.respondPoll(w, r, body) {
			s.CloseNow(TransportError)
		}
		return
	}
	p.asked.ask(mark)
	p.waiting = make(chan struct{}, 1)
	early := p.upgrade != upgradeProbed
	s.mu.Unlock()
	s.poll(w, r, p, early)
}

// poll waits for what the GET is to be answered with. p.waiting is this poll's;
// early reports whether it came before the probe of an upgrade: then the noop that lets
// the client go on is due with the probe, not after upgradePollTime.
func (s *Session) poll(w http.ResponseWriter, r *http.Request, p *polling, early bool) {
	var timeout <-chan time.Time // of upgradePollTime, once the client has sent its probe
	timedOut := false
	for {
		s.mu.Lock()
		switch {
		case p.upgrade == upgradeDone:
			p.waiting = nil
			s.mu.Unlock()
			s.server.refuse(w, r, BadRequest)
			return
		case s.state == stateClosed:
			final := p.final
			p.waiting = nil
			s.mu.Unlock()
			s.respondPoll(w, r, []byte(final))
			return
		case len(s.queue) > 0:
			s.answer(w, r, p)
			return
		case timedOut || p.upgrade == upgradeProbed && early:
			p.waiting = nil
			s.mu.Unlock()
			s.respondPoll(w, r, []byte("6"))
			return
		}
		if p.upgrade == upgradeProbed && timeout == nil {
			timer := time.NewTimer(upgradePollTime)
			defer timer.Stop()
			timeout = timer.C
		}
		s.mu.Unlock()
		select {
		case <-p.waiting:
		case <-timeout:
			timedOut = true
		case <-r.Context().Done():
			s.mu.Lock()
			p.waiting = nil
			s.mu.Unlock()
			s.CloseNow(TransportError)
			return
		}
	}
}

// answer writes what is queued. mu is held and released.
func (s *Session) answer(w http.ResponseWriter, r *http.Request, p *polling) {
	batch, since := s.take(nil, min(s.server.limits.Load().QueueBytes, maxPollBody))
	last, reason := s.lastTaken()
	// From here on the client may have the answer, and poll again.
	p.waiting = nil
	p.conn = connOf(r.Context())
	mark := p.asked.mark
	s.mu.Unlock()

	buffer := pollBuffers.Get().(*[]byte)
	body, packets := (*buffer)[:0], 0
	for _, m := range batch {
		body = appendPayload(body, m)
		packets += m.packets()
	}
	s.mu.Lock()
	p.asked.keep(mark, body)
	s.mu.Unlock()
	// After the answer the client may close its connection as it likes.
	ok := r.Context().Err() == nil && s.respondPoll(w, r, body)
	if cap(body) <= maxBatch {
		*buffer = body
		pollBuffers.Put(buffer)
	}

	s.server.countWrite(packets, len(body), s.server.now()-since)
	if ok {
		wrote(batch)
	}
	switch {
	case !ok:
		s.CloseNow(TransportError)
	case last:
		s.setClosed(reason, true)
	}
}
