package hub

import (
	"time"

	"chatbridge/socketio"
)

// Publish waits, and with it the reading from the database, while the log is full
// and what it would evict next is still to be read by a client that keeps reading.
// The replication slot keeps what is not read meanwhile, so that a transaction larger
// than the log loses a connected client nothing. Events for others wait too, so the
// waiting is bounded: to pauseBudget at once, and in the long run to one second in
// pauseRefill. Publish does not wait for a client that reads both fewer than minPackets
// and fewer than minBytes a second.
const (
	pauseBudget = 30 * time.Second
	pauseRefill = 5
	// maxPause bounds the wait before one event, far below what makes a source or a
	// watchdog believe that the pipeline is stuck.
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
	budget
	waiting bool
	// moved has a token when a client's pump has read on, or has ended.
	moved chan struct{}
}

func newPause() pause {
	return pause{budget: newBudget(pauseBudget), moved: make(chan struct{}, 1)}
}

// budget is how long Publish may wait: for all, or for one workspace's clients.
type budget struct {
	most, left time.Duration // most is 0 for no bound
	at         time.Time     // when left was computed
}

func newBudget(most time.Duration) budget { return budget{most: most, left: most, at: time.Now()} }

// remaining refills the budget up to now and returns how long Publish may still wait.
func (b *budget) remaining(now time.Time) time.Duration {
	if b.most <= 0 {
		return pauseBudget
	}
	b.left = min(b.left+now.Sub(b.at)/pauseRefill, b.most)
	b.at = now
	return b.left
}

// spend notes that Publish has waited, until now.
func (b *budget) spend(waited time.Duration, now time.Time) {
	b.left -= waited
	b.at = now
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

// awaitReaders waits, as long as the budgets allow, until a packet of that size can be
// appended without evicting what a client that keeps reading is still to read. It
// unlocks mu meanwhile.
func (h *Hub) awaitReaders(size int) {
	for waited := time.Duration(0); h.log.Full(size) && waited <= maxPause && h.running.Err() == nil; {
		t := h.victimNeeded()
		if t == nil {
			return
		}
		began := time.Now()
		if h.pause.remaining(began) <= 0 {
			return
		}
		if t.pause.remaining(began) <= 0 {
			h.limited(limitPause, t.space.Workspace)
			return
		}
		if waited == 0 {
			h.stats.Pauses++
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
		h.lockToPublish()
		h.pause.waiting = false
		now := time.Now()
		h.pause.spend(now.Sub(began), now)
		t.pause.spend(now.Sub(began), now)
		h.stats.Paused += now.Sub(began)
		waited += max(now.Sub(began), 1)
	}
}

// victimNeeded returns the workspace of what the log would evict next, if it is still
// to be read by a client that keeps reading.
func (h *Hub) victimNeeded() *tenant {
	space, seq := h.log.Victim()
	if space == nil {
		return nil
	}
	t := h.tenants[space.Workspace]
	if t == nil || seq < t.safe {
		return nil
	}
	low, now := ^uint64(0), time.Now()
	for c := range t.readers {
		if len(c.healing) == 0 && c.pace.keepsReading(now) {
			low = min(low, c.firstUnread())
		}
	}
	t.safe = low
	if seq < low {
		return nil
	}
	return t
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

// keepsReading tells whether the client reads fast enough, measured over paceEvery or
// longer. A client that has just begun counts as fast enough.
func (p *pace) keepsReading(now time.Time) bool {
	if over := now.Sub(p.since); over >= paceEvery {
		p.slow = time.Duration(p.packets)*time.Second < minPackets*over &&
			time.Duration(p.bytes)*time.Second/minBytes < over
		p.since, p.packets, p.bytes = now, 0, 0
	}
	return !p.slow
}
