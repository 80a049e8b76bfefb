package api

import (
	"net/http"

	"chatbridge/bridge/access"
	"chatbridge/bridge/gateway"
)

// Handler serves the contract's path to the clients that are admitted: by their
// address, while this bridge is the active one, and once the log is filled. What
// it refuses it refuses before there is a session; a session that is open goes on.
func (s *Server) Handler() http.Handler {
	return s.admitAddresses(refuseOnStandby(s.opts.Source, refuseFeeds(s.opts.Source, s.warmup.wait(s.io))))
}

// admitAddresses admits only the clients of Options.Allowed, if there are any.
func (s *Server) admitAddresses(next http.Handler) http.Handler {
	if len(s.opts.Allowed) == 0 {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if a := access.ClientAddr(r, s.opts.Trusted); !s.opts.Allowed.Allow(a) {
			s.logged.do("address "+a.String(), func() {
				s.log.Warn("refused a client by its address; allow.addresses would admit it", "address", a.String())
			})
			http.Error(w, "this address is not admitted", http.StatusForbidden)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// refuseOnStandby answers new sessions with 503 while another bridge follows the
// database, so that a load balancer tries that one: this one has no events.
func refuseOnStandby(source SourceState, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if source.Standby() && isNewSession(r) {
			w.Header().Set("Retry-After", "1")
			http.Error(w, "this bridge stands by; another one serves", http.StatusServiceUnavailable)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// refuseFeeds answers the gateway's own feeds with 503 while the source is
// behind: until it has caught up the log lacks what they are for. The gateway
// asks again.
func refuseFeeds(source SourceState, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get(gateway.CatchUpHeader) != "" && !source.CaughtUp() {
			http.Error(w, "the log is not filled yet", http.StatusServiceUnavailable)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// isNewSession tells an Engine.IO handshake from a request of an open session.
func isNewSession(r *http.Request) bool { return !r.URL.Query().Has("sid") }
