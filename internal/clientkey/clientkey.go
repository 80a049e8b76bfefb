// Package clientkey says under which address a client is counted. It imports nothing
// of ours.
package clientkey

import "net/netip"

// Of returns what stands for all addresses of a client: an IPv4 address itself, also
// one mapped into IPv6, and the first address of the /64 of an IPv6 address, because
// a host has as many in it as it likes. The zero Addr is its own.
func Of(a netip.Addr) netip.Addr {
	a = a.Unmap().WithZone("")
	if !a.Is6() {
		return a
	}
	return netip.PrefixFrom(a, 64).Masked().Addr()
}
