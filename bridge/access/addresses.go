package access

import "net/netip"

// Addresses are networks. The zero Addresses contain nothing.
type Addresses []netip.Prefix

// Contain reports whether a is in one of the networks. An IPv4 address in
// IPv6 form (::ffff:192.0.2.7, as a dual-stack listener reports it) counts as
// the IPv4 address; the zone of a link-local one is ignored.
func (n Addresses) Contain(a netip.Addr) bool {
	a = a.Unmap().WithZone("")
	for _, p := range n {
		if p.Contains(a) {
			return true
		}
	}
	return false
}

// Allow reports whether a may connect where the networks are an allow-list:
// an empty list admits everybody.
func (n Addresses) Allow(a netip.Addr) bool { return len(n) == 0 || n.Contain(a) }
