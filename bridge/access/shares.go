package access

import (
	"context"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"chatbridge/internal/clientkey"
)

const (
	// maxShares bounds the remembered addresses, of about 100 bytes each. When it is
	// reached, all new addresses together have one share.
	maxShares = 50_000
	// minSweep is the number of remembered addresses below which sweep removes none.
	minSweep = 1000

	// holdTime is how long Hold waits, and maxHeld how many calls may wait at once.
	holdTime = 250 * time.Millisecond
	maxHeld  = 100
)

// Shares bound how much each client address (IPv6: each /64) may use of something in a
// second. The zero Shares have no bound. They are safe for concurrent use.
type Shares struct {
	perSecond atomic.Int64

	held atomic.Int64

	mu    sync.Mutex
	full  map[netip.Addr]time.Time // when an address has its whole share again
	swept time.Time
}

// Set sets how many each address may take in a second, also all at once. Zero or less
// means no bound.
func (s *Shares) Set(perSecond int) { s.perSecond.Store(int64(perSecond)) }

// Take takes one from an address's share, and reports whether one was left.
func (s *Shares) Take(address netip.Addr) bool {
	perSecond := s.perSecond.Load()
	if perSecond <= 0 {
		return true
	}
	key, now := clientkey.Of(address), time.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sweep(now)
	full, known := s.full[key]
	if !known && len(s.full) >= maxShares {
		key = netip.Addr{}
		full = s.full[key]
	}
	if full.Before(now) {
		full = now
	}
	full = full.Add(time.Second / time.Duration(perSecond))
	if full.Sub(now) > time.Second {
		return false
	}
	if s.full == nil {
		s.full = make(map[netip.Addr]time.Time)
	}
	s.full[key] = full
	return true
}

// Hold waits 250 ms, or until ctx ends, to slow down a client that was refused and would
// send its next request at once. While 100 calls wait, it returns at once.
func (s *Shares) Hold(ctx context.Context) {
	defer s.held.Add(-1)
	if s.held.Add(1) > maxHeld {
		return
	}
	timer := time.NewTimer(holdTime)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// sweep forgets the addresses that have their whole share, at most once a second. s.mu is
// held.
func (s *Shares) sweep(now time.Time) {
	if len(s.full) < minSweep || now.Sub(s.swept) < time.Second {
		return
	}
	s.swept = now
	for address, full := range s.full {
		if !full.After(now) {
			delete(s.full, address)
		}
	}
}
