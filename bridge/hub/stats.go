package hub

import (
	"time"

	"chatbridge/bridge/replay"
	"chatbridge/mapping/contract"
)

// catchUpReason is why a client reads the log.
type catchUpReason uint8

const (
	// catchUpConnect: a new client gets the newest conversation and
	// messageStatus events of the window.
	catchUpConnect catchUpReason = iota
	// catchUpOpen: a client made no subscription in time and gets all messages of the
	// window.
	catchUpOpen
	// catchUpSubscribe: a client gets one conversation's messages of the window.
	catchUpSubscribe
	// catchUpResume: a returning client gets what it missed since its offset.
	catchUpResume
	// catchUpLag: a live client's queue was full; it reads on from there.
	catchUpLag
	catchUpReasonCount
)

var catchUpNames = [catchUpReasonCount]string{"connect", "open", "subscribe", "resume", "lag"}

// String returns the reason as metrics show it.
func (c catchUpReason) String() string { return catchUpNames[c] }

// Stats counts what a Hub did since its start.
type Stats struct {
	Published [contract.Typing + 1]uint64
	// Repeated counts events that the source delivered again and that were dropped.
	Repeated uint64
	// CatchUps counts how often a client began to read the log, by the reason.
	CatchUps [catchUpReasonCount]uint64
	// CaughtUp counts the packets that clients got from the log.
	CaughtUp uint64
	// Gaps counts the gaps that clients were told of, or are to be, by the reason.
	Gaps [gapReasonCount]uint64
	// FarHealed counts how often what a client missed was read from the tables,
	// FarFailed how often that failed, FarPackets the packets from there.
	FarHealed, FarFailed, FarPackets uint64
	// Limits counts how often each limit was reached.
	Limits [limitCount]uint64
	// SessionBytes is the memory of clients' subscriptions, including clients that left
	// and may come back.
	SessionBytes int64
	// Clients counts the connected clients; Feeds those among them that are the gateway's
	// own, by which it feeds a client of ChatEngine's during the hand-over.
	Clients, Feeds int
	// Catching counts the clients whose pump runs now.
	Catching int
	// Pauses counts how often Publish waited for clients; Paused is the sum of these
	// waits.
	Pauses uint64
	Paused time.Duration
	// LockLongest is the longest time for which the Hub's lock was held in the
	// last one to two minutes, LockHeld the sum since the start.
	LockLongest, LockHeld time.Duration
	Replay                replay.Stats
}

// ByReason returns CatchUps and Gaps by their names.
func (s *Stats) ByReason() (catchUps, gaps map[string]uint64) {
	catchUps, gaps = make(map[string]uint64, catchUpReasonCount), make(map[string]uint64, gapReasonCount)
	for i, n := range s.CatchUps {
		catchUps[catchUpReason(i).String()] = n
	}
	for i, n := range s.Gaps {
		gaps[gapReason(i).String()] = n
	}
	return catchUps, gaps
}

// Limited returns Limits by their names.
func (s *Stats) Limited() map[string]uint64 {
	limits := make(map[string]uint64, limitCount)
	for i, n := range s.Limits {
		limits[limit(i).String()] = n
	}
	return limits
}

// Stats returns the counters as of now.
func (h *Hub) Stats() Stats {
	h.lock()
	defer h.unlock()
	s := h.stats
	s.Replay, s.SessionBytes = h.log.Stats(time.Now()), h.memory.bytes
	held := h.mu.HeldLocked()
	s.LockLongest, s.LockHeld = held.Longest, held.Total
	return s
}
