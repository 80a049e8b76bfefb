package hub

import (
	"hash/maphash"
	"runtime"
	"sync"
	"sync/atomic"
)

func (h *Hub) lock() { h.mu.Lock() }

// turns are whose turn it is to lock mu, among clients.
type turns struct {
	seed maphash.Seed
	// of has the workspaces by their hash: each held by the client of them that is
	// next.
	of  [256]sync.Mutex
	all sync.Mutex // held by the client that is next of all
	// next is held by whoever waits for mu: that client, or Publish. A sync.Mutex may
	// be had by one that comes when it is released, before the one that waits for it
	// runs: without next, hundreds of clients overtook Publish (docs/hot-path/turns.md).
	next       sync.Mutex
	publishing atomic.Bool // Publish waits
}

// lockInTurn locks mu for a client of a workspace. Of a workspace's clients one at a
// time waits for it, and of these one: so publishing waits for the client that has it
// and for one more at most, and each workspace has its turn, however many clients it
// has.
func (h *Hub) lockInTurn(workspace string) (unlock func()) {
	of := &h.turns.of[maphash.String(h.turns.seed, workspace)%uint64(len(h.turns.of))]
	of.Lock()
	h.turns.all.Lock()
	h.lockNext()
	return func() {
		// The last one that is woken is the next one that Go's scheduler runs: that is
		// to be who waits for mu.
		of.Unlock()
		h.turns.all.Unlock()
		h.unlock()
		if h.turns.publishing.Load() {
			runtime.Gosched()
		}
	}
}

// lockToPublish locks mu before all clients but those that have it or wait for it.
func (h *Hub) lockToPublish() {
	h.turns.publishing.Store(true)
	h.lockNext()
	h.turns.publishing.Store(false)
}

func (h *Hub) lockNext() {
	h.turns.next.Lock()
	h.lock()
	h.turns.next.Unlock()
}

func (h *Hub) unlock() { h.mu.Unlock() }
