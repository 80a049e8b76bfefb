package engineio

import (
	"net/http"
	"strings"
)

// allowOrigin reports whether the request may be served, and sets the CORS headers
// of its response where it has an Origin.
func (s *Server) allowOrigin(w http.ResponseWriter, r *http.Request) bool {
	origin := r.Header.Get("Origin")
	if origin == "" {
		return true
	}
	h := w.Header()
	h.Add("Vary", "Origin")
	check := s.opts.CheckOrigin
	if !OwnOrigin(origin, r.Host) && (check == nil || !check(origin)) {
		return false
	}
	// A client that sends credentials (cookies of a load balancer, say) takes no
	// "*" for an answer, so the origin is echoed.
	h.Set("Access-Control-Allow-Origin", origin)
	h.Set("Access-Control-Allow-Credentials", "true")
	return true
}

// OwnOrigin reports whether an Origin header names the address that the request is
// for, as its Host header has it. The scheme does not count, because TLS may end at a
// proxy, nor do the ports of http and https. `null` is nobody's own.
func OwnOrigin(origin, host string) bool {
	scheme, named, ok := strings.Cut(origin, "://")
	return ok && scheme != "" && host != "" && strings.EqualFold(withoutDefaultPort(named), withoutDefaultPort(host))
}

func withoutDefaultPort(host string) string {
	if h, ok := strings.CutSuffix(host, ":443"); ok {
		return h
	}
	return strings.TrimSuffix(host, ":80")
}

// servePreflight answers a browser's question whether it may send the request.
func servePreflight(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Access-Control-Allow-Methods", "GET,HEAD,PUT,PATCH,POST,DELETE")
	if asked := r.Header.Get("Access-Control-Request-Headers"); asked != "" {
		h.Add("Vary", "Access-Control-Request-Headers")
		h.Set("Access-Control-Allow-Headers", asked)
	}
	h.Set("Content-Length", "0")
	w.WriteHeader(http.StatusNoContent)
}
