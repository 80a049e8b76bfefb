package api

import (
	"log/slog"
	"net/http"

	"chatbridge/bridge/access"
)

// SetRequestsPerAddress replaces Options.RequestsPerAddress. Safe for concurrent use.
func (s *Server) SetRequestsPerAddress(n int) { s.requests.Set(n) }

// AdmitsRequest counts a request against its address's share of those that open no session, and
// reports whether the share allows it. If not, it returns after a delay, to slow down a flood
// over a few connections. Safe for concurrent use.
func (s *Server) AdmitsRequest(r *http.Request) bool {
	if s.requests.Take(access.ClientAddr(r, s.opts.Trusted)) {
		return true
	}
	s.requests.Hold(r.Context())
	return false
}

// limitRequests bounds the requests of each address that open no session and belong to
// none. They are answered at once, and no other limit counts them.
func (s *Server) limitRequests(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if s.expects(r) || s.AdmitsRequest(r) {
			next.ServeHTTP(w, r)
			return
		}
		if s.counters.requestRefused() {
			s.log.Warn("a limit keeps clients away; from now on they are counted only",
				slog.String("reason", RequestRate), slog.String("client", access.ClientAddr(r, s.opts.Trusted).String()))
		}
		s.answer(w, r, http.StatusTooManyRequests, "too many requests from this address")
	})
}

// RequestRate is the name of the limit of requests per address where refusals are
// counted.
const RequestRate = "request_rate_per_address"

// expects reports whether a request is served by, or admitted to, the Socket.IO server.
func (s *Server) expects(r *http.Request) bool {
	return s.isOnPath(r) && s.io.Expects(r) && (!isNewSession(r) || s.AdmitsAddress(r) && s.AdmitsOrigin(r) && !s.opts.Source.Standby())
}
