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

// AdmitsOrigin reports whether the page that sent a request may connect: its origin is one
// of Options.Origins, or that of the request's own host. A request without an Origin header
// is not from a page, and admitted. Safe for concurrent use.
func (s *Server) AdmitsOrigin(r *http.Request) bool {
	origin := r.Header.Get("Origin")
	return origin == "" || engineio.OwnOrigin(origin, r.Host) || s.opts.Origins == nil || s.checkOrigin(origin)
}

// logOnce logs each thing once. Past maxLogged different things it only logs their number,
// once per logInterval: a client that sends ever new origins must not fill the log.
type logOnce struct {
	log *slog.Logger

	mu   sync.Mutex
	seen map[string]bool
	// more counts what was not logged by itself since the last sum; latest is the last of it.
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
