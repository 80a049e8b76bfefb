package engineio

import (
	"errors"
	"net"
	"net/http"
	"slices"
	"strconv"
	"time"
)

const (
	// latePollTime is how long a session that the client closed by POST still
	// answers its poll, with a noop: the two requests come on two connections, and
	// the POST may be served first although it was sent second.
	latePollTime = 100 * time.Millisecond
	// upgradePollTime is how long a poll waits while the client upgrades. Then it
	// gets a noop, so that the client can stop polling. If the upgrade is completed
	// meanwhile the poll was sent too late, and gets an error, as from a server that
	// serves its requests in the order of sending.
	upgradePollTime = 100 * time.Millisecond
)

// polling is the state of the polling transport. Its session's mu guards it.
type polling struct {
	waiting     chan struct{} // wakes the GET that waits; nil if none does
	posting     bool          // a POST is being read
	stopReading func()        // ends the reading of its body
	conn        net.Conn      // of the last poll, if known
	upgrade     upgradeStep
	candidate   *wsConn // the WebSocket of an upgrade that is not done
	// final is what a waiting poll gets once the session is closed: a close packet,
	// or a noop if the client closed it.
	final string
	late  bool // the client closed the session, and its poll may still come
	asked repeats
}

// repeats recognises a poll that is asked again. A proxy (nginx's proxy_next_upstream) does
// so where the answer was lost on its way, as with a bridge that passed the poll on and was
// killed: the client knows nothing of it, and what was in the answer would be missing. The
// clients of Socket.IO give each request a parameter t of its own.
type repeats struct {
	mark   string // t of the last request
	differ bool   // it was another one before: this client's differ
	answer []byte // of the poll with that mark; nil where it has none yet, or none is kept
}

// again returns what a poll with this mark was answered with, nil for another poll.
func (a *repeats) again(mark string) []byte {
	if mark != a.mark {
		return nil
	}
	return a.answer
}

// ask notes a request.
func (a *repeats) ask(mark string) {
	if a.mark != "" && mark != a.mark {
		a.differ = true
	}
	a.mark, a.answer = mark, nil
}

// keep keeps an answer to the poll with this mark.
func (a *repeats) keep(mark string, body []byte) {
	if a.differ && mark != "" && mark == a.mark {
		a.answer = slices.Clone(body)
	}
}

// upgradeStep is how far the upgrade to WebSocket has come.
type upgradeStep uint8

const (
	upgradeNone   upgradeStep = iota
	upgradeOpened             // a WebSocket was opened for the session
	upgradeProbed             // and has sent its probe
	upgradeDone               // and is the session's transport
)

// wake has the waiting poll check the session again. mu is held.
func (p *polling) wake() {
	if p.waiting != nil {
		select {
		case p.waiting <- struct{}{}:
		default:
		}
	}
}

// close sets what the waiting poll gets, and reports whether there is none, but one
// may still come for it. mu is held.
func (p *polling) close(reason Reason) (late bool) {
	p.final = "1"
	if p.stopReading != nil {
		p.stopReading()
	}
	if reason == ClientClose {
		p.final = "6"
		p.late = p.waiting == nil
	}
	p.wake()
	return p.late
}

// isPolling reports whether the session's transport is polling.
func (s *Session) isPolling() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.ws == nil
}

// openPolling answers a handshake over polling.
func (s *Session) openPolling(w http.ResponseWriter, r *http.Request, mark string) {
	s.mu.Lock()
	s.polls = &polling{}
	s.polls.asked.ask(mark)
	s.writeOwned = false
	s.mu.Unlock()
	s.server.polling.Add(1)
	s.begin(r)
	var body [192]byte
	s.respondPoll(w, r, s.server.appendOpen(body[:0], s.id, false))
}

// markParameter is the one that tells a client's request from its next ones, the mark.
const markParameter = "t"

// respondPoll writes the body of a poll and reports whether it got out.
func (s *Session) respondPoll(w http.ResponseWriter, r *http.Request, body []byte) bool {
	h := w.Header()
	h.Set("Content-Type", "text/plain; charset=UTF-8")
	return s.respond(w, r, body)
}

func (s *Session) respond(w http.ResponseWriter, r *http.Request, body []byte) bool {
	h := w.Header()
	h.Set("Content-Length", strconv.Itoa(len(body)))
	h.Set("Cache-Control", "no-store")
	rc := http.NewResponseController(w)
	// Not every ResponseWriter has deadlines; the server's own may do then.
	_ = rc.SetWriteDeadline(time.Now().Add(s.server.limits.Load().WriteTimeout))
	var conn net.Conn // of a large body, for which the kernel may not have room at once
	if len(body) > writeChunk {
		conn = connOf(r.Context())
	}
	watch := s.watchProgress(conn, rc.SetWriteDeadline)
	ok := write(w, rc, body)
	watch.end()
	return ok
}

func write(w http.ResponseWriter, rc *http.ResponseController, body []byte) bool {
	w.WriteHeader(http.StatusOK)
	if _, err := w.Write(body); err != nil {
		return false
	}
	err := rc.Flush()
	return err == nil || errors.Is(err, http.ErrNotSupported)
}

// awaitLatePoll keeps a closed session for the poll that may still come.
func (s *Session) awaitLatePoll() {
	server := s.server
	server.mu.Lock()
	server.late[s.id] = s
	server.mu.Unlock()
	server.goroutines.add()
	time.AfterFunc(latePollTime, func() {
		defer server.goroutines.done()
		server.mu.Lock()
		delete(server.late, s.id)
		server.mu.Unlock()
	})
}
