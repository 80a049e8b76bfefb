package access

import (
	"net"
	"net/http"
	"net/netip"
	"strings"
)

// Loopback protects a handler on a loopback address from web pages. A page can give
// its own host's name the address 127.0.0.1 (DNS rebinding); for the browser it then has
// the same origin as what listens there. So the Host of a request that came in by a
// loopback address must be an IP address or localhost; others get 403. Requests that came
// in by another address pass, and so do those without a Host, such as HTTP/1.0 probes:
// browsers always send one.
func Loopback(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if byLoopback(r) && r.Host != "" && !isLocalName(r.Host) {
			http.Error(w, "this address answers requests for localhost or an IP address only, because a web page could come by a name of its own; behind a reverse proxy, let it set the Host header to 127.0.0.1", http.StatusForbidden)
			return
		}
		next.ServeHTTP(w, r)
	})
}

func byLoopback(r *http.Request) bool {
	local, ok := r.Context().Value(http.LocalAddrContextKey).(*net.TCPAddr)
	return ok && local.IP.IsLoopback()
}

// isLocalName reports whether a Host header names an IP address, localhost or a
// sub-domain of localhost.
func isLocalName(host string) bool {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	host = strings.TrimSuffix(strings.TrimPrefix(host, "["), "]")
	if strings.EqualFold(host, "localhost") || strings.HasSuffix(strings.ToLower(host), ".localhost") {
		return true
	}
	_, err := netip.ParseAddr(host)
	return err == nil
}
