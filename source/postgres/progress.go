package postgres

import (
	"sync"
	"time"

	"chatbridge/source/postgres/pgoutput"
)

// marksPerWindow is into how many parts the retained time is divided: what is
// confirmed trails by at most one part more than asked for.
const marksPerWindow = 64

// mark is a place in the log, and when all before it was committed. The times
// are of our own monotonic clock, and times of the server's clock are compared
// only with each other, so a step of either clock changes nothing.
type mark struct {
	end         pgoutput.LSN
	first, last time.Time
}

// progress is how far the stream is handled and what of it may be confirmed. The
// reading goroutine advances it, the writing one reads it. mu is held for field
// access only, never during I/O.
type progress struct {
	retain time.Duration
	held   func() uint64 // Options.Held

	mu sync.Mutex
	// handled: every transaction that committed before it is handled. Zero
	// until a first stream has started.
	handled pgoutput.LSN
	// ready is what retention no longer holds back, confirmed what was or will be
	// reported to the server as flushed.
	ready, confirmed pgoutput.LSN
	// capped: nothing past saved, which a memory holds, is confirmed.
	capped bool
	saved  pgoutput.LSN
	// slot, unless zero, is all that is reported: it is not certain yet that
	// the server's history is the one that handled belongs to.
	slot pgoutput.LSN
	// server is the furthest place of the server's log that is known.
	server pgoutput.LSN
	// limit is how many bytes retention may hold back; 0 where the slot is in
	// danger, so that nothing may be held back for any reason.
	limit uint64
	// marks are the retained places, oldest first, times not decreasing.
	marks []mark
	// history is that of the place, once that is certain.
	history identity
	// last is the last handled transaction, and lastChanged the end of the last
	// that had a change in it.
	last        transactionID
	lastChanged pgoutput.LSN
	lastCommit  time.Time // of the last transaction handled by this process

	open   bool          // a transaction is being read
	openAt time.Time     // since when, by our clock
	delay  time.Duration // from its commit until it was sent, by the server's clock
}

// transactionID tells one transaction from any other of any history.
type transactionID struct {
	commit pgoutput.LSN
	time   time.Time
}

// start prepares for a stream from lsn. A place that was reached before in
// the same history stays.
func (p *progress) start(lsn pgoutput.LSN, limit uint64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.handled == 0 {
		p.handled = lsn
	}
	if p.confirmed == 0 { // of a place that was resumed nothing is confirmed
		p.ready, p.confirmed = lsn, lsn
	}
	p.limit = limit
	p.open = false
}

// resumeAt sets how far another process came that had the slot before this one.
func (p *progress) resumeAt(lsn pgoutput.LSN, last transactionID) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.handled, p.last, p.lastCommit = lsn, last, last.time
}

// belongs notes the history of what is handled.
func (p *progress) belongs(id identity) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.history = id
}

// reset forgets all that was reached: it belongs to a slot or a history that
// is gone.
func (p *progress) reset() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.handled, p.ready, p.confirmed, p.server = 0, 0, 0, 0
	p.capped, p.saved, p.slot = false, 0, 0
	p.last, p.lastChanged = transactionID{}, 0
	p.marks = p.marks[:0]
	p.open = false
}

// reached returns the place up to which all is handled, zero if none was, and
// the last handled transaction.
func (p *progress) reached() (pgoutput.LSN, transactionID) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.handled, p.last
}

// remember sets the last handled transaction where this process has had none:
// one that another process handled.
func (p *progress) remember(id transactionID) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.last.commit == 0 {
		p.last = id
	}
}

// begin notes that a transaction is open; sent is the server's clock, now
// ours.
func (p *progress) begin(commit, sent, now time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.open, p.openAt = true, now
	p.delay = sent.Sub(commit)
}

// commit notes that the transaction id, which ends at end, is handled; changed
// tells whether there was a change in it.
func (p *progress) commit(id transactionID, end pgoutput.LSN, sent, now time.Time, changed bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.open = false
	p.last, p.lastCommit = id, id.time
	if changed {
		p.lastChanged = end
	}
	p.advance(end, now.Add(-max(sent.Sub(id.time), 0)))
}

// keepalive notes the place that the server named. While a transaction is
// open it is no place to confirm, because it may lie behind its commit.
func (p *progress) keepalive(end pgoutput.LSN, now time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.server = max(p.server, end)
	if !p.open {
		p.delay = 0
		p.advance(end, now)
	}
}

// advance moves what is handled to end. p.mu is held.
func (p *progress) advance(end pgoutput.LSN, t time.Time) {
	if end <= p.handled {
		return
	}
	p.handled = end
	p.server = max(p.server, end)
	if p.retain == 0 {
		p.ready = end
		return
	}
	if n := len(p.marks); n > 0 {
		m := &p.marks[n-1]
		// Commit times may go back; a place is as old as the youngest before it.
		if t.Before(m.last) {
			t = m.last
		}
		if t.Sub(m.first) < p.retain/marksPerWindow {
			m.end, m.last = end, t
			return
		}
	}
	p.marks = append(p.marks, mark{end: end, first: t, last: t})
}

// release ends the retention of all that is handled now.
func (p *progress) release() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.ready = max(p.ready, p.handled)
	p.marks = p.marks[:0]
}

// observe notes the server's current end of log.
func (p *progress) observe(end pgoutput.LSN) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.server = max(p.server, end)
}

// bound sets how many bytes retention may hold back from now on.
func (p *progress) bound(limit uint64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.limit = limit
}

// retains reports whether a part of what is handled is not confirmed.
func (p *progress) retains() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return max(p.confirmed, p.confirmable()) < p.handled
}

// confirmable returns what retention and the memories allow to confirm. p.mu is
// held.
func (p *progress) confirmable() pgoutput.LSN {
	ready := p.ready
	if p.held != nil {
		if held := pgoutput.LSN(p.held()); uint64(p.server-min(held, p.server)) <= p.limit {
			ready = min(ready, held)
		}
	}
	if p.capped && p.limit > 0 {
		return min(ready, p.saved)
	}
	return ready
}

// overLimit reports whether retention holds back more bytes than allowed.
func (p *progress) overLimit() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.marks) > 0 && p.heldBack() > p.limit
}

// doubt makes slot all that is reported until resume is called. How far the
// server's log goes is to be observed anew.
func (p *progress) doubt(slot pgoutput.LSN) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.slot, p.server = slot, 0
}

// resume ends the doubt: the server's history is the one that was handled, up to
// end at least. Whatever was passed after that may be another there: it was no
// transaction that was handled.
func (p *progress) resume(end pgoutput.LSN) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.slot = 0
	if p.handled <= end {
		return
	}
	p.handled = end
	p.ready, p.confirmed, p.saved = min(p.ready, end), min(p.confirmed, end), min(p.saved, end)
	n := len(p.marks)
	for n > 0 && p.marks[n-1].end > end {
		n--
	}
	p.marks = p.marks[:n]
}

// heldBack is how many bytes retention holds back. p.mu is held.
func (p *progress) heldBack() uint64 { return uint64(p.server - min(p.ready, p.server)) }

// positions returns what to report: what is handled, and what may be
// confirmed. Neither is zero once a stream has started.
func (p *progress) positions(now time.Time) (handled, confirmed pgoutput.LSN) {
	p.mu.Lock()
	defer p.mu.Unlock()
	drop := 0
	for drop < len(p.marks) {
		m := p.marks[drop]
		aged := now.Sub(m.last) >= p.retain
		heavy := p.heldBack() > p.limit
		if !aged && !heavy {
			break
		}
		p.ready = max(p.ready, m.end)
		drop++
	}
	if drop > 0 {
		p.marks = append(p.marks[:0], p.marks[drop:]...)
	}
	p.confirmed = max(p.confirmed, p.confirmable())
	if p.slot != 0 {
		return p.slot, p.slot
	}
	return p.handled, p.confirmed
}

// lag returns how far handling is behind the server, in bytes and in time, and
// the commit time of the last transaction handled.
func (p *progress) lag(now time.Time) (bytes uint64, delay time.Duration, lastCommit time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	bytes = uint64(p.server - min(p.handled, p.server))
	delay = max(p.delay, 0)
	if p.open {
		delay += now.Sub(p.openAt)
	}
	return bytes, delay, p.lastCommit
}
