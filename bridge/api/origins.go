package api

import (
	"sync"
	"sync/atomic"

	"chatbridge/bridge/access"
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

// logOnce remembers what has been logged. Past maxLogged it logs nothing more:
// whoever sends ever new origins shall not fill the log.
type logOnce struct {
	mu   sync.Mutex
	seen map[string]bool
}

const (
	maxLogged     = 200
	maxLoggedText = 512 // bytes
)

func (l *logOnce) do(what string, log func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.seen[what] || len(l.seen) >= maxLogged || len(what) > maxLoggedText {
		return
	}
	if l.seen == nil {
		l.seen = make(map[string]bool)
	}
	l.seen[what] = true
	log()
}
