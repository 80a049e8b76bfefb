package access

import (
	"net"
	"net/http"
	"net/netip"
	"os"
	"slices"
	"strings"
)

// ownNames end names that no stranger's page can have: they are in no public DNS.
var ownNames = []string{".local", ".internal", ".home.arpa", ".svc", ".lan", ".home", ".corp", ".test"}

// Rebound reports whether a request may be from a web page that has given its own host's
// name this machine's address (DNS rebinding), and so could read the answer: it is a
// browser's, for a name that anybody may have registered. It is for addresses that others
// reach, where programs may well come by such a name: Prometheus, probes, scripts. The
// requests of a trusted proxy, which judges names itself, are not.
func Rebound(r *http.Request, trusted Addresses) bool {
	if !byBrowser(r.Header) || isOwnName(r.Host) {
		return false
	}
	peer, err := netip.ParseAddrPort(r.RemoteAddr)
	return err != nil || !trusted.Contain(peer.Addr())
}

// byBrowser recognises a browser by what a page cannot keep it from sending: each sends
// Accept-Language, and those that let a page set another User-Agent do so without fail.
func byBrowser(h http.Header) bool {
	for _, name := range []string{"Accept-Language", "Origin", "Sec-Fetch-Site", "Sec-Fetch-Mode"} {
		if _, sent := h[name]; sent {
			return true
		}
	}
	return strings.HasPrefix(h.Get("User-Agent"), "Mozilla/")
}

// isOwnName reports whether a Host header is one that a page of elsewhere cannot have: none,
// an address, a name without a dot, one of a private domain, or this machine's.
func isOwnName(host string) bool {
	if isLocalName(host) {
		return true
	}
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	host = strings.ToLower(strings.TrimSuffix(host, "."))
	if !strings.Contains(host, ".") || slices.ContainsFunc(ownNames, func(end string) bool { return strings.HasSuffix(host, end) }) {
		return true
	}
	own, err := os.Hostname()
	return err == nil && strings.EqualFold(own, host)
}
