package api

import (
	"log/slog"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"chatbridge/bridge/access"
	"chatbridge/socketio/engineio"
)

// originCheck has the origins that are admitted, which a reload replaces.
type originCheck struct {
	allowed atomic.Pointer[access.Origins]
}

// SetOrigins replaces Options.Origins for handshakes from now on. Safe for
// concurrent use.
func (s *Server) SetOrigins(o *access.Origins) { s.origins.allowed.Store(o) }

// checkOrigin judges a browser's origin, and logs once for each refused one
// what would admit it.
func (s *Server) checkOrigin(origin string) bool {
	if s.origins.allowed.Load().Allow(origin) {
		return true
	}
	s.logged.do("origin "+origin, func() {
		s.log.Warn("refused a browser by its origin; add it to cors.origins to admit it", "origin", origin)
	})
	return false
}

// AdmitsOrigin reports whether the page that a request is from may connect: one of
// Options.Origins, or of the address that the request is for. A request without an
// Origin is of no page. Safe for concurrent use.
func (s *Server) AdmitsOrigin(r *http.Request) bool {
	origin := r.Header.Get("Origin")
	return origin == "" || engineio.OwnOrigin(origin, r.Host) || s.opts.Origins == nil || s.checkOrigin(origin)
}

// logOnce logs each thing once, and past maxLogged of them a sum each logInterval:
// whoever sends ever new origins shall not fill the log.
type logOnce struct {
	log *slog.Logger

	mu   sync.Mutex
	seen map[string]bool
	// What was not logged by itself since the last sum: how often, and the last.
	more   int
	latest string
}

const (
	maxLogged     = 200
	maxLoggedText = 512 // bytes
	logInterval   = time.Minute
)

func (l *logOnce) do(what string, log func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case l.seen[what]:
	case len(l.seen) < maxLogged && len(what) <= maxLoggedText:
		if l.seen == nil {
			l.seen = make(map[string]bool)
		}
		l.seen[what] = true
		log()
	default:
		if l.more == 0 {
			time.AfterFunc(logInterval, l.sum)
		}
		l.more++
		l.latest = what[:min(len(what), maxLoggedText)]
	}
}

// sum logs what was not logged by itself.
func (l *logOnce) sum() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.log.Warn("refused more clients by their origins or addresses than are logged one by one",
		"refusals", l.more, "latest", l.latest)
	l.more = 0
}
