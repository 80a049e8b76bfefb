package hub

import (
	"hash/maphash"
	"sync"
	"time"
)

// lockTimes measures for how long the Hub's lock is held.
type lockTimes struct {
	began           time.Time
	minute          time.Time // when longest began to count
	longest, before time.Duration
	total           time.Duration
}

func (h *Hub) lock() {
	h.mu.Lock()
	h.lockTimes.began = time.Now()
}

// turns are whose turn it is to lock mu, among clients.
type turns struct {
	seed maphash.Seed
	// of has the workspaces by their hash: each held by the client of them that is
	// next.
	of  [256]sync.Mutex
	all sync.Mutex // held by the client that is next of all
}

// lockInTurn locks mu for a client of a workspace. Of a workspace's clients one at a
// time waits for it, and of these one: so publishing waits for one client at most,
// and each workspace has its turn, however many clients it has.
func (h *Hub) lockInTurn(workspace string) (unlock func()) {
	of := &h.turns.of[maphash.String(h.turns.seed, workspace)%uint64(len(h.turns.of))]
	of.Lock()
	h.turns.all.Lock()
	h.lock()
	return func() {
		h.unlock()
		h.turns.all.Unlock()
		of.Unlock()
	}
}

func (h *Hub) unlock() {
	now := time.Now()
	held := now.Sub(h.lockTimes.began)
	h.lockTimes.total += held
	if now.Sub(h.lockTimes.minute) >= time.Minute {
		h.lockTimes.minute, h.lockTimes.before, h.lockTimes.longest = now, h.lockTimes.longest, 0
	}
	h.lockTimes.longest = max(h.lockTimes.longest, held)
	h.mu.Unlock()
}
