package engineio

import (
	"net/netip"
	"time"

	"chatbridge/internal/clientkey"
)

const (
	// knownTime is how long an address is known after its last authenticated session.
	knownTime = 10 * time.Minute
	// maxIdleHosts bounds the addresses without a session that are remembered; past
	// it new ones share an entry. Each takes about 150 bytes.
	maxIdleHosts = 50_000
	// minSweep is the least number of them at which those of no more use are removed.
	minSweep = 1000
)

// hosts are the addresses that sessions come from; admission.mu guards them.
type hosts struct {
	byAddress map[netip.Addr]*host
	active    int           // those with a session
	sweepAt   int           // so many without one cause a sweep
	swept     time.Duration // when the last one was
}

// host is what is counted of one address: an IPv4 address, or the /64 of an IPv6
// address, all of which one client has.
type host struct {
	open, unauthenticated int
	handshakes            bucket
	knownUntil            time.Duration // see known
}

func newHosts() hosts { return hosts{byAddress: make(map[netip.Addr]*host), sweepAt: minSweep} }

// get returns the host of an address and its key. When too many are remembered, new
// addresses share that of the zero key.
func (t *hosts) get(address netip.Addr, l *Limits, now time.Duration) (netip.Addr, *host) {
	key := clientkey.Of(address)
	if h := t.byAddress[key]; h != nil {
		return key, h
	}
	if idle := len(t.byAddress) - t.active; idle >= t.sweepAt && now-t.swept >= time.Second {
		t.sweep(now)
	}
	if len(t.byAddress)-t.active >= maxIdleHosts {
		key = netip.Addr{}
		if h := t.byAddress[key]; h != nil {
			return key, h
		}
	}
	h := &host{handshakes: bucket{tokens: float64(l.HandshakesPerAddress), last: now}}
	t.byAddress[key] = h
	return key, h
}

// sweep removes the hosts that are as if they had never been seen.
func (t *hosts) sweep(now time.Duration) {
	for key, h := range t.byAddress {
		if h.open == 0 && !h.known(now) && now-h.handshakes.last >= time.Second {
			delete(t.byAddress, key)
		}
	}
	t.swept = now
	t.sweepAt = max(minSweep, min(2*(len(t.byAddress)-t.active), maxIdleHosts))
}

// opened and released count a session of a host.
func (t *hosts) opened(h *host) {
	if h.open == 0 {
		t.active++
	}
	h.open++
	h.unauthenticated++
}

func (t *hosts) released(h *host) {
	if h.open--; h.open == 0 {
		t.active--
	}
}

// known reports whether the host has, or had within knownTime, an authenticated
// session.
func (h *host) known(now time.Duration) bool {
	return h.open > h.unauthenticated || now < h.knownUntil
}
