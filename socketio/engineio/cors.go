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
// for, as its Host header has it: the same host, and the same port, where an origin
// without one has its scheme's. A Host without a port may be of http or https, because
// TLS may end at a proxy; the origin has its scheme's port then. A dot at the end of a
// host counts for nothing. Origins of other schemes, and `null`, are nobody's own.
func OwnOrigin(origin, host string) bool {
	scheme, named, ok := strings.Cut(origin, "://")
	port := defaultPorts[strings.ToLower(scheme)]
	if !ok || port == "" {
		return false
	}
	named, namedPort, ok := splitPort(named, port)
	host, hostPort, valid := splitPort(host, port)
	return ok && valid && named != "" && strings.EqualFold(named, host) && namedPort == hostPort
}

// defaultPorts are those of the schemes by which clients come. No page is of ws or wss,
// but programs write the address that they connect to as their origin.
var defaultPorts = map[string]string{"http": "80", "https": "443", "ws": "80", "wss": "443"}

// splitPort splits an address into a host without the dot at its end and a port, which
// is standard where it has none. An address that is no host and port is not ok.
func splitPort(address, standard string) (host, port string, ok bool) {
	host, port = address, standard
	if at := strings.LastIndexByte(address, ':'); at > strings.LastIndexByte(address, ']') {
		host, port = address[:at], address[at+1:]
		if port == "" || strings.Trim(port, "0123456789") != "" {
			return "", "", false
		}
	}
	if strings.HasPrefix(host, "[") != strings.HasSuffix(host, "]") || !strings.HasPrefix(host, "[") && strings.Contains(host, ":") {
		return "", "", false
	}
	return strings.TrimSuffix(host, "."), port, true
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
