package postgres

import (
	"sync"
	"time"

	"chatbridge/source/postgres/pgoutput"
)

// marksPerWindow is how finely the retained stretch of time is divided: what
// is confirmed trails by at most one part more than asked for.
const marksPerWindow = 64

// mark is a place in the log, and a time by the server's clock after which
// all before it had been committed.
type mark struct {
	end         pgoutput.LSN
	first, last time.Time
}

// progress knows how far the stream is handled and what of it may be
// confirmed. The reading goroutine moves it, the writing one asks it.
type progress struct {
	retain time.Duration

	mu sync.Mutex
	// handled: every transaction that committed before it is handled. Zero
	// until a first stream has started.
	handled pgoutput.LSN
	// confirmed is what the server has been or will be told.
	confirmed pgoutput.LSN
	// server is the furthest place of the server's log that is known.
	server pgoutput.LSN
	// limit is how many bytes retention may hold back.
	limit uint64
	// marks are the retained places, oldest first, times not decreasing.
	marks []mark
	// sent and at are the server's clock and ours at the same moment.
	sent, at   time.Time
	lastCommit time.Time // of the last handled transaction
	open       time.Time // commit time of the transaction that is being read
	delay      time.Duration
}

// start prepares for a stream from lsn. A place that was reached before in
// the same history stays.
func (p *progress) start(lsn pgoutput.LSN, limit uint64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.handled == 0 {
		p.handled, p.confirmed = lsn, lsn
	}
	p.limit = limit
	p.open = time.Time{}
}

// reset forgets all that was reached: it belongs to a slot or a history that
// is gone.
func (p *progress) reset() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.handled, p.confirmed, p.server = 0, 0, 0
	p.marks = p.marks[:0]
	p.open = time.Time{}
}

// reached returns the place up to which all is handled, zero if none was.
func (p *progress) reached() pgoutput.LSN {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.handled
}

// begin notes that a transaction is open; sent is the server's clock.
func (p *progress) begin(commit, sent time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.open = commit
	p.delay = sent.Sub(commit)
}

// commit notes that the transaction that ends at end is handled.
func (p *progress) commit(end pgoutput.LSN, commit, sent time.Time, now time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.open = time.Time{}
	p.lastCommit = commit
	p.sent, p.at = sent, now
	p.advance(end, commit)
}

// keepalive notes the place that the server named. While a transaction is
// open it is no place to confirm, because it may lie behind its commit.
func (p *progress) keepalive(end pgoutput.LSN, sent, now time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.sent, p.at = sent, now
	p.server = max(p.server, end)
	if p.open.IsZero() {
		p.delay = 0
		p.advance(end, sent)
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
		p.confirmed = end
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

// observe notes the server's current end of log.
func (p *progress) observe(end pgoutput.LSN) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.server = max(p.server, end)
}

// retains reports whether a part of what is handled is not confirmed.
func (p *progress) retains() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.confirmed < p.handled
}

// positions returns what to report: what is handled, and what may be
// confirmed. Neither is zero once a stream has started.
func (p *progress) positions(now time.Time) (handled, confirmed pgoutput.LSN) {
	p.mu.Lock()
	defer p.mu.Unlock()
	old := p.serverNow(now).Add(-p.retain)
	drop := 0
	for drop < len(p.marks) {
		m := p.marks[drop]
		aged := !p.sent.IsZero() && !m.last.After(old)
		heavy := uint64(p.server-p.confirmed) > p.limit
		if !aged && !heavy {
			break
		}
		p.confirmed = max(p.confirmed, m.end)
		drop++
	}
	if drop > 0 {
		p.marks = append(p.marks[:0], p.marks[drop:]...)
	}
	return p.handled, p.confirmed
}

// serverNow is the server's clock as far as we know it. p.mu is held.
func (p *progress) serverNow(now time.Time) time.Time { return p.sent.Add(now.Sub(p.at)) }

// lag returns how far handling is behind the server, in bytes and in time.
func (p *progress) lag(now time.Time) (bytes uint64, delay time.Duration, lastCommit time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	bytes = uint64(p.server - min(p.handled, p.server))
	delay = p.delay
	if !p.open.IsZero() && !p.sent.IsZero() {
		delay = max(delay, p.serverNow(now).Sub(p.open))
	}
	return bytes, max(delay, 0), p.lastCommit
}
