package cluster

import (
	"net"
	"net/netip"
	"net/url"
)

// Advertised is where other bridges reach one: as configured, or where it listens; on all
// addresses, it is that which leads to Redis. With TLS the name is not known, so there is
// none, "", unless it is configured.
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

// localAddress is the address of this machine that leads to that of a URL; the zero Addr
// where none does. Nothing is sent.
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
