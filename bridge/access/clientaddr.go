package access

import (
	"net/http"
	"net/netip"
	"strings"
)

// maxHops bounds the entries of X-Forwarded-For that are read, counted from the end.
const maxHops = 32

// ClientAddr returns the address of the client that a request is from: the TCP
// peer or, if that is a trusted proxy, the last entry of X-Forwarded-For that is
// not a trusted proxy. Each proxy appends the address of its own peer, so that
// entry is right; the client itself may have written those before it. The result
// is the zero Addr if the peer has no address (a Unix socket).
func ClientAddr(r *http.Request, trusted Addresses) netip.Addr {
	peer, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{}
	}
	client := peer.Addr().Unmap().WithZone("")
	headers := r.Header["X-Forwarded-For"]
	hops := 0
	for i := len(headers) - 1; i >= 0; i-- {
		rest := headers[i]
		for more := true; more; {
			if hops++; hops > maxHops || !trusted.Contain(client) {
				return client
			}
			var entry string
			if at := strings.LastIndexByte(rest, ','); at >= 0 {
				rest, entry = rest[:at], rest[at+1:]
			} else {
				entry, more = rest, false
			}
			next, ok := parseHop(strings.TrimSpace(entry))
			if !ok {
				// A trusted proxy wrote something other than an address, such as
				// `unknown`: the proxy's own is the last that is known for sure.
				return client
			}
			client = next
		}
	}
	return client
}

// parseHop reads an address with or without a port: 192.0.2.7,
// 192.0.2.7:4711, 2001:db8::1, [2001:db8::1]:4711, [2001:db8::1].
func parseHop(s string) (netip.Addr, bool) {
	if ap, err := netip.ParseAddrPort(s); err == nil {
		return ap.Addr().Unmap().WithZone(""), true
	}
	a, err := netip.ParseAddr(strings.TrimSuffix(strings.TrimPrefix(s, "["), "]"))
	return a.Unmap().WithZone(""), err == nil
}
