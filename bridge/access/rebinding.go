package access

import (
	"net"
	"net/http"
	"net/netip"
	"os"
	"slices"
	"strings"
)

// ownNames are suffixes that the public DNS does not have, so that no page of a stranger
// has such a name.
var ownNames = []string{".local", ".internal", ".home.arpa", ".svc", ".lan", ".home", ".corp", ".test"}

// Rebound reports whether a request may be from a web page that has given its own host's
// name this machine's address (DNS rebinding), and so could read the answer: a browser
// sent it, for a name that anybody may have registered. Unlike Loopback, it suits
// listeners that other machines reach, where Prometheus, probes and scripts use such
// names too. Requests of a trusted proxy do not count: the proxy checks names itself.
func Rebound(r *http.Request, trusted Addresses) bool {
	if !byBrowser(r.Header) || isOwnName(r.Host) {
		return false
	}
	peer, err := netip.ParseAddrPort(r.RemoteAddr)
	return err != nil || !trusted.Contain(peer.Addr())
}

// byBrowser recognises a browser by headers that a page cannot suppress. Where a page can
// set another User-Agent, the browser always sends Accept-Language.
func byBrowser(h http.Header) bool {
	for _, name := range []string{"Accept-Language", "Origin", "Sec-Fetch-Site", "Sec-Fetch-Mode"} {
		if _, sent := h[name]; sent {
			return true
		}
	}
	return strings.HasPrefix(h.Get("User-Agent"), "Mozilla/")
}

// isOwnName reports whether a stranger's page cannot have this Host header: an empty one,
// an IP address, a name without a dot, in a private domain, or of this machine.
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
