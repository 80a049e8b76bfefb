package handover

import (
	"sync"
	"time"

	"chatbridge/bridge/gateway/frame"
)

const (
	// maxEarly bounds what the bridge may send before ChatEngine has accepted
	// the client, in bytes.
	maxEarly = 1 << 20
	// freshInterval is how often the bridge is asked whether it has read all
	// that was committed.
	freshInterval = 100 * time.Millisecond
)

// phase is what happens to ChatEngine's events.
type phase int

const (
	awaitingConnect phase = iota // they pass: the client has not sent its CONNECT
	buffering                    // they wait for the bridge's
	passing                      // they pass: the bridge was not ready in time, and its events come late
	following                    // they pass, and what the bridge sends of its texts
	ended                        // nothing is read any more
)

// Handover is the hand-over of one client. Its methods are safe for concurrent
// use.
type Handover struct {
	service          *Service
	client, upstream Side
	feed             *feed

	mu          sync.Mutex // held while what follows is used, and during writes to the client
	timer       *time.Timer
	phase       phase
	bufferUntil time.Time // when buffering ends, whether or not the bridge is ready
	giveUpAt    time.Time // when the hand-over ends without the bridge
	acceptedAt  time.Time // when ChatEngine accepted the client; zero before
	freshFrom   time.Time // up to when the bridge is to have read before it is asked
	since       string    // the client's, "" for none
	pid         string    // that it got with ChatEngine's CONNECT, "" for none
	owed        time.Time // since when it lacks what the bridge is to send it; zero for nothing
	progress    progress
	buffer      buffer
	early       []byte // the bridge's frames, until ChatEngine has accepted the client
	batch       batch
	sent        sentStates
	follow      follow
}

// Stop ends the hand-over with the connection, and returns when its goroutines
// have ended. Repeating it does nothing.
func (h *Handover) Stop() {
	h.end(Gone)
	h.mu.Lock()
	h.service.departures.ended(h.pid, time.Now())
	h.mu.Unlock()
	h.feed.join()
}

// tick is the timer's function.
func (h *Handover) tick() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.step(time.Now())
}

// step does what the time decides, and sets the timer for the next step; h.mu
// is held.
func (h *Handover) step(now time.Time) {
	if h.phase == ended {
		return
	}
	if !h.acceptedAt.IsZero() && h.progress.state == feeding && h.service.opts.Fresh(h.freshFrom) {
		h.progress.fresh(now)
	}
	if h.progress.due(now, max(h.service.opts.CatchUp, h.follow.pause)) {
		h.feed.sync(h.progress.ask())
	}
	switch {
	case now.After(h.giveUpAt):
		h.endLocked(Missed)
		return
	case h.phase == buffering && now.After(h.bufferUntil):
		h.passBuffered()
	}
	if h.phase == following {
		h.timer.Reset(max(freshInterval, h.follow.pause/followSteps))
		return
	}
	h.timer.Reset(freshInterval)
}

// connect takes the client's CONNECT and begins the hand-over.
func (h *Handover) connect(packet []byte) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.phase != awaitingConnect {
		return
	}
	now := time.Now()
	h.phase = buffering
	if len(packet) > maxConnect {
		h.endLocked(Overrun)
		return
	}
	h.bufferUntil, h.giveUpAt = now.Add(h.service.opts.CatchUpWait), now.Add(h.service.opts.CatchUpLate)
	if since := h.service.opts.Since; since != nil {
		if h.since = sinceOf(packet); h.since == "" {
			h.since = since()
		}
		h.owed = h.service.owedSince(packet)
	}
	h.feed.start(packet, h.since)
	h.step(now)
}

// subscribe passes a subscription on to the bridge, which then has more to send.
// One that is too long for the bridge to take is not kept.
func (h *Handover) subscribe(packet []byte) {
	if len(packet) > maxSubscription {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.phase == ended {
		return
	}
	h.progress.restart()
	if !h.feed.send(packet) {
		h.endLocked(Overrun)
	}
}

// accepted notes ChatEngine's CONNECT; h.mu is held. It returns false where the
// client cannot be written to.
func (h *Handover) accepted(now time.Time) bool {
	h.acceptedAt, h.freshFrom = now, now
	if len(h.early) > 0 && h.client.Write(h.early) != nil {
		return false
	}
	h.early = nil
	h.step(now)
	return true
}

// passBuffered passes all that the bridge has not sent and ends the buffering;
// h.mu is held.
func (h *Handover) passBuffered() {
	h.phase = passing
	h.writeUnsent(time.Time{})
}

// writeUnsent empties the buffer and writes what of it the bridge has not sent;
// h.mu is held. The bridge has sent all there was up to the time covered.
func (h *Handover) writeUnsent(covered time.Time) {
	for _, e := range h.sent.unsent(h.buffer.take(), covered) {
		if h.batch.writeAfter(e.Raw) != nil {
			return
		}
	}
}

// feedAccepted notes that the bridge has accepted the client.
func (h *Handover) feedAccepted() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.progress.accepted()
	h.step(time.Now())
}

// feedLost notes that the feed's connection has ended and is opened again.
func (h *Handover) feedLost() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.progress.lost()
}

// feedSynced takes the bridge's SyncedEvent.
func (h *Handover) feedSynced(packet []byte) {
	h.mu.Lock()
	defer h.mu.Unlock()
	n, texts, more := parseSynced(packet)
	outcome := Late
	if h.phase == buffering {
		outcome = Done
	}
	switch {
	case !h.progress.answers(n) || h.phase == ended:
	case more:
		h.followTexts(outcome, texts)
	default:
		h.endLocked(outcome)
	}
}

// feedEvent takes an event of the bridge's for the client.
func (h *Handover) feedEvent(packet []byte) {
	h.mu.Lock()
	defer h.mu.Unlock()
	switch {
	case h.phase == ended, h.phase == following && !h.follow.wants(packet):
		return
	case h.acceptedAt.IsZero():
		h.early = frame.AppendText(h.early, packet)
		if len(h.early) > maxEarly {
			h.endLocked(Overrun)
			return
		}
	default:
		h.batch.add(packet)
	}
	h.service.count.events.Add(1)
	if h.phase != following {
		h.sent.add(packet)
	}
}

func (h *Handover) hasEnded() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.phase == ended
}

func (h *Handover) end(o Outcome) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.endLocked(o)
}

// endLocked ends the hand-over: the buffered events go out, and nothing is read
// any more; h.mu is held. Repeating it does nothing.
func (h *Handover) endLocked(o Outcome) {
	if h.phase == ended {
		return
	}
	if h.phase != awaitingConnect && h.phase != following {
		h.service.count.outcomes[o].Add(1)
	}
	h.phase = ended
	h.timer.Stop()
	h.feed.end()
	if o == Done || o == Late {
		h.service.departures.caughtUp(h.pid)
	}
	switch o {
	case Done:
		h.writeUnsent(time.Now().Add(-h.service.opts.CatchUp))
	case Gone:
		// Sent now, the buffered events would come before what was missed. On the
		// client's next connection they come again, in their order.
		h.buffer.take()
	default:
		h.writeUnsent(time.Time{})
	}
	_ = h.batch.flush() // an error shows in the tunnel's own reads and writes
	h.early, h.sent, h.follow, h.batch.frames = nil, sentStates{}, follow{}, nil
}
