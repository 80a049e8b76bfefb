package send

import (
	"context"
	"sync"
	"time"

	"chatbridge/mapping/contract"
)

// Passing is a text that a client sends through another server, which the bridge passes on
// and does not send.
type Passing struct {
	// ID is the client's id of the text.
	ID, Conversation, Content, ReplyTo string
	// Who tells whose it is. It is asked from another goroutine, until ctx ends.
	Who func(ctx context.Context) (workspace, user string, err error)
}

// Passed is a Passing on its way. Its methods are safe for concurrent use; one of End and
// Cut must be called, and repeating them does nothing.
type Passed struct {
	s       *Sender
	passing Passing
	created time.Time

	// mu is held while the workspace is told, so that what the stream publishes of the row
	// comes before that or after it.
	mu   sync.Mutex
	rows map[string]rowState // by workspace: what the stream has told of it
	seen chan struct{}       // has one when rows has another

	done   chan struct{} // closed when what became of it is known, or nobody can be told
	over   chan struct{} // closed by the first of End and Cut
	once   sync.Once
	ending ending
}

// ending is how a Passed has ended.
type ending struct {
	status string // what the other server has said; empty: the connection ended before
	alive  bool   // the server may still be sending it
}

// errCut is the fault of a text with which the other server has ended.
var errCut = &Fault{CodeUnknown, "the chat server ended while the message was being sent; look whether it arrived before you send it again"}

var errNotSent = &Fault{CodeFailed, "the chat server has not sent the message"}

// maxPassed bounds the Passed of all clients.
const maxPassed = 10_000

// Pass looks out for what becomes of a text that another server sends. Where that server
// dies with it, and no row of it is there, the workspace is told that it has failed, as of
// one whose outcome is not known; and it is not sent again by this Sender. It returns nil for one
// too many, of which nobody is told. Pass does not wait.
func (s *Sender) Pass(t Passing) *Passed {
	p := &Passed{s: s, passing: t, created: time.Now(), rows: make(map[string]rowState), seen: make(chan struct{}, 1), done: make(chan struct{}), over: make(chan struct{})}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.passing >= maxPassed || s.closed {
		return nil
	}
	s.passing++
	s.watching.Add(1)
	s.passed[t.ID] = append(s.passed[t.ID], p)
	s.following.Go(p.follow)
	return p
}

// End notes that the other server has told its client the status.
func (p *Passed) End(status string) { p.end(ending{status: status}) }

// Cut notes that the connection has ended before. alive: the server may still be sending
// the text.
func (p *Passed) Cut(alive bool) { p.end(ending{alive: alive}) }

// Done reports whether it has ended, by its row or by End and Cut.
func (p *Passed) Done() bool {
	select {
	case <-p.done:
		return true
	default:
		return false
	}
}

func (p *Passed) end(e ending) {
	p.once.Do(func() {
		p.ending = e
		close(p.over)
	})
}

// follow takes it to its end.
func (p *Passed) follow() {
	defer close(p.done)
	defer p.s.unpass(p)
	s := p.s
	x, ok := p.identify()
	if !ok {
		return
	}
	s.mu.Lock()
	j := s.journal
	if w := s.watched[x.request.Workspace]; w != nil && w.failures[x.key()] != nil { // tried again
		delete(w.failures, x.key())
		s.watching.Add(-1)
		s.dropIfEmpty(x.request.Workspace, w)
	}
	s.mu.Unlock()
	if j != nil {
		known, others, err := j.find(x.key())
		if err != nil || others || known != nil && !known.unsettled() {
			return // the id is another's, or what became of it is known
		}
	}
	p.keep(j, x.record())
	if !p.awaitEnd(x.request.Workspace) {
		return // the next process finds it as begun
	}
	p.conclude(j, x)
	s.unsettled.end(x.request.Workspace, p.passing.ID, Failed, errNotSent) // all is told
}

// awaitEnd waits until there is its row, or it has ended and the stream has told of all that
// the other server has stored. It reports whether the Sender still runs.
func (p *Passed) awaitEnd(workspace string) bool {
	for {
		if _, stored := p.row(workspace); stored {
			return true
		}
		select {
		case <-p.seen:
			continue
		case <-p.over:
		case <-p.s.sending.Done():
			return false
		}
		if p.ending.status == "" {
			p.s.unsettled.begin(workspace, p.passing.ID)
		}
		return p.ending.status != "" || (!p.ending.alive || p.wait(p.s.opts.Timeout)) && p.awaitStream()
	}
}

func (p *Passed) row(workspace string) (row rowState, stored bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	row, stored = p.rows[workspace]
	return row, stored
}

// identify returns it as a Sending, by which it has its record.
func (p *Passed) identify() (*Sending, bool) {
	ctx, cancel := context.WithTimeout(p.s.sending, questionTimeout)
	defer cancel()
	workspace, user, err := p.passing.Who(ctx)
	if err != nil {
		return nil, false // nobody can be told
	}
	t := &p.passing
	x := newSending(Request{Workspace: workspace, User: user, ID: t.ID, Conversation: t.Conversation, Content: t.Content, ReplyTo: t.ReplyTo})
	x.created, t.Content = p.created, "" // its fingerprint is taken
	return x, true
}

// wait waits, and reports whether the Sender still runs.
func (p *Passed) wait(d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-p.s.sending.Done():
		return false
	}
}

// streamInterval is how often it is asked whether the stream has come to now, streamWait for
// how long.
const (
	streamInterval = 50 * time.Millisecond
	streamWait     = 30 * time.Second
)

// awaitStream waits until the stream has told of all that the other server has stored, and
// reports whether the Sender still runs.
func (p *Passed) awaitStream() bool {
	since := time.Now()
	for p.s.opts.Fresh != nil && !p.s.opts.Fresh(since) && time.Since(since) < streamWait {
		if !p.wait(streamInterval) {
			return false
		}
	}
	return true
}

// conclude writes down what became of it, and tells where it has failed.
func (p *Passed) conclude(j *journal, x *Sending) {
	r := x.record()
	if row, stored := p.row(r.Workspace); stored {
		r.State, r.Status, r.RowID = stateSettled, row.status, row.id
		p.keep(j, r)
		return
	}
	switch status := p.ending.status; status {
	case Failed:
		// Its server has told so: it may be sent again, by whomever. Whoever was away is told.
		p.s.remember(r, errNotSent)
		if j != nil {
			p.log(j.drop(r))
		}
	case "":
		// Before the row can be seen, which is written down after it.
		r.State, r.Status, r.Fault = stateSettled, Failed, errCut
		p.keep(j, r)
		if row, stored := p.emitCut(x, r); stored {
			r.Status, r.RowID, r.Fault = row.status, row.id, nil
			p.keep(j, r)
		}
	default:
		r.State, r.Status = stateSettled, status
		p.keep(j, r)
	}
}

// emitCut tells that it has failed, unless it has a row.
func (p *Passed) emitCut(x *Sending, r *record) (row rowState, stored bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if row, stored = p.rows[r.Workspace]; stored {
		return row, true
	}
	s := p.s
	s.remember(r, errCut)
	s.emitStatus(x, false, Failed)
	s.counters.result(errCut.Code)
	if s.logs("cut") {
		s.log.Warn("the chat server ended while it sent a message, which is told as failed; more of the same within a minute are only counted",
			"code", errCut.Code, "workspace", r.Workspace, "conversation", r.Conversation)
	}
	return row, false
}

func (p *Passed) keep(j *journal, r *record) {
	if j != nil {
		p.log(j.put(r))
	}
}

func (p *Passed) log(err error) {
	if err != nil {
		p.s.log.Error("cannot write down what became of a message", "error", err)
	}
}

// unpass ends that the stream is looked at for it.
func (s *Sender) unpass(p *Passed) {
	s.mu.Lock()
	defer s.mu.Unlock()
	rest := make([]*Passed, 0, len(s.passed[p.passing.ID]))
	for _, other := range s.passed[p.passing.ID] {
		if other != p {
			rest = append(rest, other)
		}
	}
	if s.passed[p.passing.ID] = rest; len(rest) == 0 {
		delete(s.passed, p.passing.ID)
	}
	s.passing--
	s.watching.Add(-1)
}

// observePassed notes that a text which was passed has a row.
func (s *Sender) observePassed(ev *contract.Event) {
	s.mu.Lock()
	none := len(s.passed) == 0
	s.mu.Unlock()
	if none || ev.Kind != contract.Message {
		return
	}
	id := clientIDOf(ev.Payload)
	s.mu.Lock()
	found := append([]*Passed(nil), s.passed[id]...)
	s.mu.Unlock()
	for _, p := range found {
		p.mu.Lock()
		p.rows[string(ev.Workspace)] = rowState{string(ev.Key), string(ev.Status)}
		p.mu.Unlock()
		select {
		case p.seen <- struct{}{}:
		default:
		}
	}
}
