package engineio

import (
	"sync"
	"time"
)

// bucket is a token bucket: rate tokens a second, at most rate at once. Its
// owner guards it. Each connection has one, of 16 bytes (rate.Limiter has 80), and
// the rate, which may change at any time, is given with each call.
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

// admission accepts handshakes and counts sessions.
type admission struct {
	mu         sync.Mutex
	closed     bool
	open       int
	perAddress map[string]int
	handshakes bucket
}

// admit counts a session of address, or returns the reason for refusing it.
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

// release subtracts a session that is closed.
func (a *admission) release(address string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.open--
	if a.perAddress[address]--; a.perAddress[address] == 0 {
		delete(a.perAddress, address)
	}
}

// close makes admit refuse everything.
func (a *admission) close() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.closed = true
}
