// Package lockstats has a lock that measures for how long it is held.
package lockstats

import (
	"sync"
	"time"
)

// Mutex is a sync.Mutex that measures how long it is held, which costs two readings of
// the clock each time. The zero value is unlocked.
type Mutex struct {
	mu              sync.Mutex
	began           time.Time // of the present hold
	minute          time.Time // when longest began to count
	longest, before time.Duration
	total           time.Duration
	times           uint64
}

// Lock locks m.
func (m *Mutex) Lock() {
	m.mu.Lock()
	m.began = time.Now()
}

// Unlock unlocks m.
func (m *Mutex) Unlock() {
	now := time.Now()
	held := now.Sub(m.began)
	m.total += held
	m.times++
	m.roll(now)
	m.longest = max(m.longest, held)
	m.mu.Unlock()
}

// roll begins another minute where the present one is over.
func (m *Mutex) roll(now time.Time) {
	switch passed := now.Sub(m.minute); {
	case passed >= 2*time.Minute:
		m.minute, m.before, m.longest = now, 0, 0
	case passed >= time.Minute:
		m.minute, m.before, m.longest = now, m.longest, 0
	}
}

// Held is for how long a Mutex was held.
type Held struct {
	// Longest is the longest time at once in the last one to two minutes, Total the sum
	// since the start.
	Longest, Total time.Duration
	// Times is how often.
	Times uint64
}

// Held returns that without the present hold. It waits for the lock, and counts for
// nothing itself.
func (m *Mutex) Held() Held {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.HeldLocked()
}

// HeldLocked is Held for whoever has the lock.
func (m *Mutex) HeldLocked() Held {
	m.roll(time.Now())
	return Held{max(m.longest, m.before), m.total, m.times}
}

// Reset forgets the longest time. The caller has the lock.
func (m *Mutex) Reset() { m.longest, m.before = 0, 0 }
