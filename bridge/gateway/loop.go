package gateway

import (
	"context"
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"time"
)

// hopHeader names the gateways that a request has passed, each by a value that
// is its process's own. A request that comes back to one of them would be passed
// on for ever.
const hopHeader = "X-Bridge-Hop"

// SIDPrefix begins every session id of a bridge, so that a load balancer can send
// a polling session's requests back to it (configs/nginx, haproxy, caddy), and
// `bridge check` recognises it.
const SIDPrefix = "br-"

// errLoop: ChatEngine's address leads to this bridge.
var errLoop = errors.New("gateway.upstream leads back to this bridge; set it to ChatEngine's own address")

// hasPassed reports whether a request has been passed on by this gateway before.
func (g *Gateway) hasPassed(r *http.Request) bool {
	return slices.Contains(r.Header.Values(hopHeader), g.upstream.id)
}

// checkLoop returns errLoop for an answer that this gateway gave itself.
func (u *upstream) checkLoop(header http.Header) error {
	if header.Get(hopHeader) == u.id {
		return errLoop
	}
	return nil
}

// checkOwn returns errLoop where the open packet of a session at ChatEngine is
// of the bridge's own server: something on the way took the header away.
func (u *upstream) checkOwn(packet []byte) error {
	var open struct {
		SID string `json:"sid"`
	}
	if len(packet) > 1 && json.Unmarshal(packet[1:], &open) == nil && open.SID != "" && u.opts.Knows(open.SID) {
		return errLoop
	}
	return nil
}

// resolveTimeout bounds the resolution of names by LeadsTo.
const resolveTimeout = 2 * time.Second

// LeadsTo reports whether upstream is an address at which a listener of this
// machine listens, as far as can be told without a connection. listen is
// host:port; an empty host means all addresses of the machine.
func LeadsTo(ctx context.Context, upstream *url.URL, listen string) bool {
	host, port, err := net.SplitHostPort(listen)
	if err != nil || port == "0" || port != portOf(upstream) {
		return false
	}
	ctx, cancel := context.WithTimeout(ctx, resolveTimeout)
	defer cancel()
	listening := addresses(ctx, host)
	everywhere := host == "" || slices.ContainsFunc(listening, netip.Addr.IsUnspecified)
	if everywhere {
		listening = ownAddresses()
	}
	return slices.ContainsFunc(addresses(ctx, upstream.Hostname()), func(a netip.Addr) bool {
		return slices.ContainsFunc(listening, func(own netip.Addr) bool {
			return a == own || own.IsLoopback() && (a.IsUnspecified() || everywhere && a.IsLoopback())
		})
	})
}

// portOf is the port of an address, the scheme's where it names none.
func portOf(u *url.URL) string {
	switch {
	case u.Port() != "":
		return u.Port()
	case u.Scheme == "https", u.Scheme == "wss":
		return "443"
	}
	return "80"
}

// addresses are those of a host; none where it cannot be resolved.
func addresses(ctx context.Context, host string) []netip.Addr {
	if host == "" {
		return nil
	}
	found, err := net.DefaultResolver.LookupNetIP(ctx, "ip", host)
	if err != nil {
		return nil
	}
	for i, a := range found {
		found[i] = a.Unmap().WithZone("")
	}
	return found
}

// ownAddresses are those of the machine's interfaces.
func ownAddresses() []netip.Addr {
	interfaces, err := net.InterfaceAddrs()
	if err != nil {
		return nil
	}
	var own []netip.Addr
	for _, i := range interfaces {
		if prefix, err := netip.ParsePrefix(i.String()); err == nil {
			own = append(own, prefix.Addr().Unmap().WithZone(""))
		}
	}
	return own
}
