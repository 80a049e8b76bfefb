package hub

import (
	"hash/maphash"
	"runtime"
	"sync"
	"sync/atomic"
)

func (h *Hub) lock() { h.mu.Lock() }

// turns has the clients that wait for mu take turns.
type turns struct {
	seed maphash.Seed
	// of has a lock for each hash of a workspace, held by the client of these workspaces
	// that is next.
	of  [256]sync.Mutex
	all sync.Mutex // held by the client that is next of all
	// next is held by whoever waits for mu: that client, or Publish. A goroutine that
	// arrives when a sync.Mutex is released may take it before one that has waited:
	// without next, hundreds of clients overtook Publish (docs/hot-path/turns.md).
	next       sync.Mutex
	publishing atomic.Bool // Publish waits
}

// lockInTurn locks mu for a client of a workspace. One client of each workspace is next
// there, and only one of these waits for mu itself. So publishing waits for the client
// that holds mu and for one more at most, and each workspace has its turn, however many
// clients it has.
func (h *Hub) lockInTurn(workspace string) (unlock func()) {
	of := &h.turns.of[maphash.String(h.turns.seed, workspace)%uint64(len(h.turns.of))]
	of.Lock()
	h.turns.all.Lock()
	h.lockNext()
	return func() {
		// Go's scheduler next runs the goroutine that was woken last: mu is unlocked last,
		// so that this is the one that waits for mu.
		of.Unlock()
		h.turns.all.Unlock()
		h.unlock()
		if h.turns.publishing.Load() {
			runtime.Gosched()
		}
	}
}

// lockToPublish locks mu ahead of all clients but the one that holds mu and the one
// that is next.
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
