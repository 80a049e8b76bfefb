package api

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"time"

	"chatbridge/bridge/access"
	"chatbridge/bridge/gateway"
)

// Handler serves the contract's path to the admitted addresses. New sessions are
// refused while this bridge is on standby or cut off from its cluster's leader, and
// wait until the log is filled; sessions that are open go on.
func (s *Server) Handler() http.Handler {
	return s.limitRequests(s.onPath(s.admitAddresses(s.refuseOnStandby(s.refuseFeeds(s.warmup.wait(s.io))))))
}

// answer writes an answer of the bridge's own.
func (s *Server) answer(w http.ResponseWriter, r *http.Request, status int, message string) {
	access.Answer(w, r, s.AdmitsOrigin, status, access.Body{Message: message})
}

// onPath serves what is below the Socket.IO path as that path, as Node's server
// does, and nothing else.
func (s *Server) onPath(next http.Handler) http.Handler {
	path := strings.TrimSuffix(s.opts.SocketIO.Path, "/")
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case !s.isOnPath(r):
			s.answer(w, r, http.StatusNotFound, "there is nothing at this path")
		case r.URL.Path != path && r.URL.Path != path+"/":
			below := *r
			below.URL = new(url.URL)
			*below.URL = *r.URL
			below.URL.Path, below.URL.RawPath = path+"/", ""
			next.ServeHTTP(w, &below)
		default:
			next.ServeHTTP(w, r)
		}
	})
}

func (s *Server) isOnPath(r *http.Request) bool {
	return access.Below(access.RawPath(r), strings.TrimSuffix(s.opts.SocketIO.Path, "/"))
}

// AdmitsAddress reports whether the client of a request may connect by its
// address, and logs once for each that may not what would admit it. Safe for
// concurrent use.
func (s *Server) AdmitsAddress(r *http.Request) bool {
	if len(s.opts.Allowed) == 0 {
		return true
	}
	a := access.ClientAddr(r, s.opts.Trusted)
	if s.opts.Allowed.Allow(a) {
		return true
	}
	s.logged.do("address "+a.String(), func() {
		s.log.Warn("refused a client by its address; allow.addresses would admit it", "address", a.String())
	})
	return false
}

// admitAddresses admits only the clients of Options.Allowed, if there are any.
func (s *Server) admitAddresses(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !s.AdmitsAddress(r) {
			s.answer(w, r, http.StatusForbidden, "this address is not admitted")
			return
		}
		next.ServeHTTP(w, r)
	})
}

// refuseOnStandby answers new sessions with 503 while another bridge follows the
// database, so that a load balancer tries that one: this one has no events. While no
// bridge leads the cluster new sessions wait, because clients give up after a few
// attempts.
func (s *Server) refuseOnStandby(next http.Handler) http.Handler {
	source := s.opts.Source
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !isNewSession(r) {
			next.ServeHTTP(w, r)
			return
		}
		if source.Hearing() == Awaited && !s.awaitLeader(r.Context()) {
			return // the client has left
		}
		switch {
		case source.Standby():
			s.answer(w, r, http.StatusServiceUnavailable, "this bridge stands by; another one serves")
		case source.Hearing() != Heard:
			s.answer(w, r, http.StatusServiceUnavailable, "this bridge does not hear the leader of its cluster; another one serves")
		default:
			next.ServeHTTP(w, r)
		}
	})
}

// leaderTimeout bounds the wait of a new session for a leader.
const leaderTimeout = 10 * time.Second

// awaitLeader waits while the leader is Awaited, for leaderTimeout at most. It reports
// false where ctx ended first.
func (s *Server) awaitLeader(ctx context.Context) bool {
	tick := time.NewTicker(warmupPoll)
	defer tick.Stop()
	for began := time.Now(); s.opts.Source.Hearing() == Awaited && !s.opts.Source.Standby() && time.Since(began) < leaderTimeout; {
		select {
		case <-ctx.Done():
			return false
		case <-s.hub.Context().Done():
			return true
		case <-tick.C:
		}
	}
	return true
}

// refuseFeeds answers the gateway's own feeds, by which it catches its clients up,
// with 503 while the source is behind: the log lacks events until then. The gateway
// asks again.
func (s *Server) refuseFeeds(next http.Handler) http.Handler {
	source := s.opts.Source
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if gateway.IsCatchUp(r.Header) && !source.CaughtUp() {
			s.answer(w, r, http.StatusServiceUnavailable, "the log is not filled yet")
			return
		}
		next.ServeHTTP(w, r)
	})
}

// isNewSession tells an Engine.IO handshake from a request of an open session and
// from a CORS preflight. An empty sid counts as no sid.
func isNewSession(r *http.Request) bool {
	return r.Method != http.MethodOptions && r.URL.Query().Get("sid") == ""
}
