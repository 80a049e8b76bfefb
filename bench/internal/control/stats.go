package control

import "time"

// Stats is what the bridge answers to GET /stats.
type Stats struct {
	// LockHeld is for how long the Hub's lock was held since the start, LockLongest
	// for how long at once.
	LockHeld, LockLongest time.Duration
	// RoomsHeld and RoomsLongest are those of the rooms' lock.
	RoomsHeld, RoomsLongest time.Duration
	// Events and Bytes are in the log; EvictedEarly were, within the window.
	Events       int
	Bytes        int64
	EvictedEarly uint64
	// CatchUps and Gaps are counts by reason, CaughtUp the packets read from the log.
	CatchUps, Gaps map[string]uint64
	CaughtUp       uint64

	Sockets                   int64
	Recovered, RecoveryMissed uint64
	Refusals                  map[string]uint64
	// QueueHigh is the deepest queue of a client, in packets.
	QueueHigh                  int64
	Stalls, Writes, PacketsOut uint64
}
