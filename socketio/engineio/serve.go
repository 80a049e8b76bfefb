package engineio

import (
	"net/http"
	"net/netip"
	"net/url"
	"time"

	"github.com/gorilla/websocket"
)

// ServeHTTP serves a request, whatever its path.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Body != http.NoBody {
		// A body must come in time.
		_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(s.opts.PingTimeout))
	}
	if !s.allowOrigin(w, r) {
		s.refuse(w, r, ForbiddenOrigin)
		return
	}
	if r.Method == http.MethodOptions { // all of them, as Node's server does
		servePreflight(w, r)
		return
	}
	query, _ := url.ParseQuery(r.URL.RawQuery) // what can be parsed is enough
	upgrade := websocket.IsWebSocketUpgrade(r)
	transport := query.Get("transport")
	// With j the client asks for JSONP: a script, which any page may load, whatever
	// CheckOrigin says. It is answered at once that there is none.
	if transport != "websocket" && transport != "polling" || query.Has("j") {
		s.refuse(w, r, UnknownTransport)
		return
	}
	if sid := query.Get("sid"); sid != "" {
		s.resume(w, r, sid, upgrade, transport, query.Get(markParameter))
		return
	}
	switch {
	case r.Method != http.MethodGet:
		s.refuse(w, r, BadMethod)
	case (transport == "websocket") != upgrade:
		s.refuse(w, r, BadRequest)
	case query.Get("EIO") != "4":
		s.refuse(w, r, UnsupportedProtocol)
	default:
		s.handshake(w, r, upgrade, query.Get(markParameter))
	}
}

// Expects reports whether a request is one that a client of this server needs: a
// handshake, which has limits of its own, or a poll of an open session, of which the
// session bounds what comes of it. All others open and keep nothing.
func (s *Server) Expects(r *http.Request) bool {
	query, _ := url.ParseQuery(r.URL.RawQuery)
	upgrade := websocket.IsWebSocketUpgrade(r)
	transport := query.Get("transport")
	if sid := query.Get("sid"); sid != "" {
		session := s.session(sid)
		return session != nil && session.isPolling() && transport == "polling" && !upgrade &&
			(r.Method == http.MethodGet || r.Method == http.MethodPost)
	}
	return r.Method == http.MethodGet && (transport == "websocket" && upgrade || transport == "polling" && !upgrade) &&
		query.Get("EIO") == "4" && headSize(r) <= maxHead
}

// resume serves a request that names a session.
func (s *Server) resume(w http.ResponseWriter, r *http.Request, sid string, upgrade bool, transport, mark string) {
	session := s.session(sid)
	switch {
	case session == nil && healthChecks[sid]:
		s.answer(w, r, UnknownSession) // which is what it asks for
	case session == nil || session.closeIfPongLate():
		s.refuse(w, r, UnknownSession)
	case upgrade != (transport == "websocket"):
		s.refuse(w, r, BadRequest)
	case upgrade:
		session.serveUpgrade(w, r)
	case r.Method == http.MethodGet:
		session.servePoll(w, r, mark)
	case r.Method == http.MethodPost:
		session.servePost(w, r)
	default:
		w.WriteHeader(http.StatusInternalServerError) // as Node's server does
	}
}

// maxHead bounds the headers and the query of a handshake in bytes, as Node's server
// does: a Handler may keep them for as long as the session is open.
const maxHead = 16 << 10

func headSize(r *http.Request) int {
	n := len(r.URL.RawQuery)
	for name, values := range r.Header {
		for _, v := range values {
			n += len(name) + len(v)
		}
	}
	return n
}

// handshake opens a session.
func (s *Server) handshake(w http.ResponseWriter, r *http.Request, upgrade bool, mark string) {
	if headSize(r) > maxHead {
		s.refuse(w, r, BadRequest)
		return
	}
	address, evicted, reason, ok := s.admission.admit(s.limits.Load(), s.address(r), s.now())
	if !ok {
		s.refuse(w, r, reason)
		return
	}
	if evicted != nil {
		s.logLimit(MaxUnauthenticated)
		evicted.CloseNow(MaxUnauthenticated)
	}
	session := s.newSession(address)
	if !upgrade {
		session.openPolling(w, r, mark)
		return
	}
	ws, err := s.accept(w, r)
	if err != nil {
		s.refusals[BadRequest].Add(1)
		s.admission.release(session, Anonymous, s.now())
		return
	}
	session.openWebSocket(ws, r)
}

func (s *Server) address(r *http.Request) netip.Addr {
	if s.opts.ClientAddress != nil {
		return s.opts.ClientAddress(r)
	}
	peer, _ := netip.ParseAddrPort(r.RemoteAddr) // the zero address if it is none
	return peer.Addr()
}
