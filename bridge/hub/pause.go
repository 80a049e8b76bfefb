package hub

import (
	"time"

	"chatbridge/socketio"
)

// The slot of the database is the largest log there is. When the log is full,
// and what it would evict next is still to be read by a client that keeps
// reading, Publish waits for that client, and with it the reading from the
// database. So a transaction that is larger than the log costs a connected client
// nothing but time. What is published meanwhile to others waits too, so the
// waiting is bounded: by pauseBudget at once, and in the long run by one second in
// pauseRefill; and there is none for a client that reads more slowly than
// leastPackets and leastBytes a second.
const (
	pauseBudget = 30 * time.Second
	pauseRefill = 5
	// pauseMost bounds one wait, far below what makes a source or a watchdog
	// believe that the pipeline is stuck.
	pauseMost = time.Second
	// pauseLook is how often it is looked at whether the client still reads.
	pauseLook = 50 * time.Millisecond

	leastPackets = 1000
	leastBytes   = 1 << 20
	// paceEvery is over how long a client's pace is measured.
	paceEvery = 500 * time.Millisecond
)

// pause is the state of Publish's waiting. The Hub's mu guards it.
type pause struct {
	budget  time.Duration
	at      time.Time // when budget was right
	waiting bool
	// moved has a token when a client has read on, or gone.
	moved chan struct{}
}

func newPause() pause {
	return pause{budget: pauseBudget, at: time.Now(), moved: make(chan struct{}, 1)}
}

// left returns how long Publish may still wait.
func (p *pause) left(now time.Time) time.Duration {
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
// evicts nothing that a client which keeps reading is still to read. It gives the
// lock up meanwhile.
func (h *Hub) awaitReaders(size int) {
	var began time.Time
	for h.log.Full(size) && h.victimNeeded() {
		now := time.Now()
		if began.IsZero() {
			began = now
			if h.pause.left(now) <= 0 {
				return
			}
			h.stats.Pauses++
		} else if now.Sub(began) > min(pauseMost, h.pause.budget) {
			break
		}
		h.pause.waiting = true
		h.unlock()
		look := time.NewTimer(pauseLook)
		select {
		case <-h.pause.moved:
		case <-look.C:
		case <-h.running.Done():
		}
		look.Stop()
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
		if c.pace.keeps(now) {
			low = min(low, c.lowest())
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

func (p *pace) took(packets []*socketio.Packet) {
	p.packets += len(packets)
	for _, packet := range packets {
		p.bytes += packet.Size()
	}
}

// keeps tells whether the client keeps reading, by its pace of late. One that
// has just begun does.
func (p *pace) keeps(now time.Time) bool {
	if over := now.Sub(p.since); over >= paceEvery {
		p.slow = time.Duration(p.packets)*time.Second < leastPackets*over &&
			time.Duration(p.bytes)*time.Second/leastBytes < over
		p.since, p.packets, p.bytes = now, 0, 0
	}
	return !p.slow
}
