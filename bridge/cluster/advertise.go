package cluster

import (
	"net"
	"net/netip"
	"net/url"
)

// Advertised is the address at which other bridges reach this one: the configured one, or else
// the listening address; if that is a wildcard, the local address that routes to Redis. With
// TLS it is "" unless configured, because the certificate's name is not known.
func Advertised(configured string, listens netip.AddrPort, tls bool, redisURL string) string {
	if configured != "" {
		return configured
	}
	if tls || !listens.IsValid() {
		return ""
	}
	at := listens
	if at.Addr().IsUnspecified() {
		towards := localAddress(redisURL)
		if !towards.IsValid() {
			return ""
		}
		at = netip.AddrPortFrom(towards, at.Port())
	}
	return "http://" + netip.AddrPortFrom(at.Addr().Unmap(), at.Port()).String()
}

// localAddress is this machine's address on the route to a URL's host, the zero Addr for none.
// Nothing is sent.
func localAddress(to string) netip.Addr {
	u, err := url.Parse(to)
	if err != nil {
		return netip.Addr{}
	}
	conn, err := net.Dial("udp", net.JoinHostPort(u.Hostname(), "6379"))
	if err != nil {
		return netip.Addr{}
	}
	defer conn.Close()
	local, _ := netip.ParseAddrPort(conn.LocalAddr().String())
	return local.Addr().Unmap()
}
