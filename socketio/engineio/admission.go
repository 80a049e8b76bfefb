package engineio

import (
	"sync"
	"time"
)

// bucket is a token bucket: rate tokens a second, at most rate at once. Its
// owner guards it.
type bucket struct {
	tokens float64
	last   time.Duration
}

// take takes a token at the time now; false means there is none. A rate of zero
// always has one.
func (b *bucket) take(rate int, now time.Duration) bool {
	if rate == 0 {
		return true
	}
	limit := float64(rate)
	b.tokens = min(limit, b.tokens+(now-b.last).Seconds()*limit)
	b.last = now
	if b.tokens < 1 {
		return false
	}
	b.tokens--
	return true
}

// admission decides which handshakes are let in.
type admission struct {
	mu         sync.Mutex
	closed     bool
	open       int
	perAddress map[string]int
	handshakes bucket
}

// admit counts a session of address in, or says why not.
func (a *admission) admit(l *Limits, address string, now time.Duration) (Reason, bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	switch {
	case a.closed:
		return ShuttingDown, false
	case l.MaxConnections > 0 && a.open >= l.MaxConnections:
		return MaxConnections, false
	case l.MaxConnectionsPerAddress > 0 && a.perAddress[address] >= l.MaxConnectionsPerAddress:
		return MaxConnectionsPerAddress, false
	case !a.handshakes.take(l.HandshakesPerSecond, now):
		return HandshakeRate, false
	}
	a.open++
	a.perAddress[address]++
	return 0, true
}

// release counts it out again.
func (a *admission) release(address string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.open--
	if a.perAddress[address]--; a.perAddress[address] == 0 {
		delete(a.perAddress, address)
	}
}

// close refuses all that come; it reports whether this was the first call.
func (a *admission) close() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	first := !a.closed
	a.closed = true
	return first
}
