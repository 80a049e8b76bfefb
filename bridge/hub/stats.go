package hub

import (
	"time"

	"chatbridge/bridge/replay"
	"chatbridge/mapping/contract"
)

// catchUp is why a client reads the log.
type catchUp uint8

const (
	// catchUpConnect: a new client gets the newest conversation and
	// messageStatus events of the window.
	catchUpConnect catchUp = iota
	// catchUpOpen: it made no subscription and gets all messages of the window.
	catchUpOpen
	// catchUpSubscribe: it gets one conversation's messages of the window.
	catchUpSubscribe
	// catchUpResume: a returning client gets what it missed since its offset.
	catchUpResume
	// catchUpLag: its queue was full; it reads on from there.
	catchUpLag
	catchUpReasons
)

var catchUpNames = [catchUpReasons]string{"connect", "open", "subscribe", "resume", "lag"}

// String returns the reason as metrics show it.
func (c catchUp) String() string { return catchUpNames[c] }

// Stats counts what a Hub did since its start.
type Stats struct {
	Published [contract.Typing + 1]uint64
	// Repeated counts events that came again and were dropped.
	Repeated uint64
	// CatchUps counts readings of the log begun, by why.
	CatchUps [catchUpReasons]uint64
	// CaughtUp counts the packets that clients got from the log.
	CaughtUp uint64
	// Holes counts what clients could not be given and were told of, by why.
	Holes [holeReasons]uint64
	// Clients are connected; Feeds are those of them by which the gateway
	// feeds a client of ChatEngine's for a moment.
	Clients, Feeds int
	// Catching counts the clients being fed from the log now.
	Catching int
	// Pauses counts the times that reading waited for a client, Paused is how
	// long in all.
	Pauses uint64
	Paused time.Duration
	// LockLongest is the longest time for which the Hub's lock was held in the
	// last one to two minutes, LockHeld that of all times.
	LockLongest, LockHeld time.Duration
	Replay                replay.Stats
}

// ByReason returns CatchUps and Holes by their names.
func (s *Stats) ByReason() (catchUps, holes map[string]uint64) {
	catchUps, holes = make(map[string]uint64, catchUpReasons), make(map[string]uint64, holeReasons)
	for i, n := range s.CatchUps {
		catchUps[catchUp(i).String()] = n
	}
	for i, n := range s.Holes {
		holes[holeReason(i).String()] = n
	}
	return catchUps, holes
}

// Stats returns the counters as of now.
func (h *Hub) Stats() Stats {
	h.lock()
	defer h.unlock()
	s := h.stats
	s.Replay = h.log.Stats(time.Now())
	s.LockLongest, s.LockHeld = max(h.holds.longest, h.holds.before), h.holds.total
	return s
}

// holds measures for how long the Hub's lock is held.
type holds struct {
	began           time.Time
	minute          time.Time // when longest began to count
	longest, before time.Duration
	total           time.Duration
}

func (h *Hub) lock() {
	h.mu.Lock()
	h.holds.began = time.Now()
}

func (h *Hub) unlock() {
	now := time.Now()
	held := now.Sub(h.holds.began)
	h.holds.total += held
	if now.Sub(h.holds.minute) >= time.Minute {
		h.holds.minute, h.holds.before, h.holds.longest = now, h.holds.longest, 0
	}
	h.holds.longest = max(h.holds.longest, held)
	h.mu.Unlock()
}
