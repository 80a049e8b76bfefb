package hub

import (
	"time"

	"chatbridge/socketio"
)

// Publish waits, and with it the reading from the database, while the log is full
// and what it would evict next is still to be read by a client that keeps reading.
// The slot keeps what is not read meanwhile, so that a transaction larger than the
// log loses a connected client nothing. Events for others wait too, so the waiting
// is bounded: by pauseBudget at once, and in the long run by one second in
// pauseRefill. There is none for a client that reads more slowly than minPackets
// and minBytes a second.
const (
	pauseBudget = 30 * time.Second
	pauseRefill = 5
	// maxPause bounds one wait, far below what makes a source or a watchdog
	// believe that the pipeline is stuck.
	maxPause = time.Second
	// pausePoll is how often Publish checks whether the client still reads.
	pausePoll = 50 * time.Millisecond

	minPackets = 1000
	minBytes   = 1 << 20
	// paceEvery is over how long a client's pace is measured.
	paceEvery = 500 * time.Millisecond
)

// pause is the state of Publish's waiting. The Hub's mu guards it.
type pause struct {
	budget  time.Duration
	at      time.Time // of budget
	waiting bool
	// moved has a token when a client has read on, or has gone.
	moved chan struct{}
}

func newPause() pause {
	return pause{budget: pauseBudget, at: time.Now(), moved: make(chan struct{}, 1)}
}

// remaining returns how long Publish may still wait.
func (p *pause) remaining(now time.Time) time.Duration {
	p.budget = min(p.budget+now.Sub(p.at)/pauseRefill, pauseBudget)
	p.at = now
	return p.budget
}

// progressed tells a waiting Publish that a client has read on.
func (h *Hub) progressed() {
	if !h.pause.waiting {
		return
	}
	select {
	case h.pause.moved <- struct{}{}:
	default:
	}
}

// awaitReaders waits, as long as it may, until appending a packet of that size
// evicts nothing that a client which keeps reading is still to read. It unlocks mu
// meanwhile.
func (h *Hub) awaitReaders(size int) {
	var began time.Time
	for h.log.Full(size) && h.victimNeeded() {
		now := time.Now()
		if began.IsZero() {
			began = now
			if h.pause.remaining(now) <= 0 {
				return
			}
			h.stats.Pauses++
		} else if now.Sub(began) > min(maxPause, h.pause.budget) {
			break
		}
		h.pause.waiting = true
		h.unlock()
		poll := time.NewTimer(pausePoll)
		select {
		case <-h.pause.moved:
		case <-poll.C:
		case <-h.running.Done():
		}
		poll.Stop()
		h.lock()
		h.pause.waiting = false
		if h.running.Err() != nil {
			break
		}
	}
	if !began.IsZero() {
		waited := time.Since(began)
		h.stats.Paused += waited
		h.pause.budget -= waited
		h.pause.at = time.Now()
	}
}

// victimNeeded tells whether what the log would evict next is still to be read
// by a client that keeps reading.
func (h *Hub) victimNeeded() bool {
	space, seq := h.log.Victim()
	if space == nil {
		return false
	}
	t := h.tenants[space.Workspace]
	if t == nil || seq < t.safe {
		return false
	}
	low, now := ^uint64(0), time.Now()
	for c := range t.readers {
		if c.pace.keepsReading(now) {
			low = min(low, c.firstUnread())
		}
	}
	t.safe = low
	return seq >= low
}

// pace is how fast a client reads from the log.
type pace struct {
	since          time.Time
	packets, bytes int
	slow           bool
}

func (p *pace) begin(now time.Time) { *p = pace{since: now} }

func (p *pace) add(packets []*socketio.Packet) {
	p.packets += len(packets)
	for _, packet := range packets {
		p.bytes += packet.Size()
	}
}

// keepsReading tells whether the client reads fast enough, by its last paceEvery.
// One that has just begun does.
func (p *pace) keepsReading(now time.Time) bool {
	if over := now.Sub(p.since); over >= paceEvery {
		p.slow = time.Duration(p.packets)*time.Second < minPackets*over &&
			time.Duration(p.bytes)*time.Second/minBytes < over
		p.since, p.packets, p.bytes = now, 0, 0
	}
	return !p.slow
}
