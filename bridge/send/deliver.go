package send

import (
	"context"
	"time"
)

// questionTimeout bounds the query for a conversation's workspace, payloadTimeout the one for
// its event. The message waits for both.
const (
	questionTimeout = 2 * time.Second
	payloadTimeout  = 500 * time.Millisecond
)

// begin puts a Sending on its way. mu must be held.
func (s *Sender) begin(x *Sending) {
	l := x.lane()
	x.before = s.newest[l]
	s.newest[l], s.open[x.key()] = x, x
	s.watch(x)
	s.unsettled.begin(x.request.Workspace, x.request.ID)
	s.running.Go(func() {
		defer s.leave(x)
		s.run(x)
	})
}

// leave ends a Sending: its result is available, and the next message of the conversation may
// go.
func (s *Sender) leave(x *Sending) {
	x.request.Session = Session{}
	x.state.mu.Lock()
	status, fault := x.state.result.Status, x.state.fault
	x.state.mu.Unlock()
	s.unsettled.end(x.request.Workspace, x.request.ID, status, fault)
	s.mu.Lock()
	s.rates.leave(x.user())
	delete(s.open, x.key())
	s.unwatch(x)
	s.mu.Unlock()
	close(x.done) // from then on the same request is one that is known
	if x.before != nil {
		<-x.before.passed // x may have given up, or been refused, before its turn
		x.before = nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if l := x.lane(); s.newest[l] == x {
		delete(s.newest, l)
	}
	close(x.passed)
}

// run takes a Sending to its end.
func (s *Sender) run(x *Sending) {
	defer x.admitNext()
	// Checked again: a request with the same key may have ended since.
	switch f, known := s.find(x); {
	case f != nil:
		s.refuse(x, f)
		return
	case known != nil:
		s.repeat(x, known)
		return
	}
	if x.before != nil {
		<-x.before.announced
	}
	if f := s.introduce(x); f != nil {
		s.refuse(x, f)
		return
	}
	x.admitNext()
	if !s.awaitTurn(x) {
		o := notBegun(CodeUnavailable, "the messages before this one take too long; send it again in a moment")
		s.note(x, o)
		s.settle(x, o)
		return
	}
	ctx, cancel := context.WithTimeout(s.sending, s.opts.Timeout)
	defer cancel()
	if err := s.journal.put(x.record()); err != nil {
		s.log.Error("cannot write down what is sent; messages are refused", "error", err)
		o := notBegun(errJournal.Code, errJournal.Message)
		s.note(x, o)
		s.settle(x, o)
		return
	}
	o, claimed := s.claim(ctx, x)
	if claimed {
		began := time.Now()
		o = s.opts.Way.Send(ctx, x.message())
		s.counters.took(time.Since(began))
	}
	s.note(x, o)
	if o.NotBegun && claimed {
		s.release(x)
	}
	if o.Fault != nil && o.Fault.Code == CodeUnknown {
		s.awaitRow(ctx, x, !claimed)
	}
	if final := s.settle(x, o); final != o {
		s.note(x, final)
	}
}

// awaitRow waits for the final status of the message's row, if the row exists or another bridge
// may insert it (elsewhere), until ctx ends.
func (s *Sender) awaitRow(ctx context.Context, x *Sending, elsewhere bool) {
	for {
		x.state.mu.Lock()
		row := x.state.row
		x.state.mu.Unlock()
		if row.id == "" && !elsewhere || row.id != "" && s.final(row.status) {
			return
		}
		select {
		case <-x.rowChanged:
		case <-ctx.Done():
			return
		}
	}
}

// turnTimeouts is for how many timeouts a message waits for those before it in its
// conversation: one that hangs does not fail the next.
const turnTimeouts = 2

// awaitTurn waits until all messages before it have a result, and reports whether they have.
func (s *Sender) awaitTurn(x *Sending) bool {
	if x.before == nil {
		return s.sending.Err() == nil
	}
	ctx, cancel := context.WithTimeout(s.sending, turnTimeouts*s.opts.Timeout)
	defer cancel()
	select {
	case <-x.before.passed:
		return s.sending.Err() == nil
	case <-ctx.Done():
		return false
	}
}

// introduce checks that the conversation is the workspace's, writes the message to the journal
// as waiting, and emits its events.
func (s *Sender) introduce(x *Sending) *Fault {
	ctx, cancel := context.WithTimeout(s.sending, questionTimeout)
	defer cancel()
	r := &x.request
	switch has, err := s.opts.Conversations.Has(ctx, r.Workspace, r.Conversation); {
	case err != nil && s.sending.Err() != nil:
		return errEnding
	case err != nil:
		return errAsking
	case !has:
		return &Fault{CodeConversation, "the workspace has no conversation of that id"}
	}
	if s.opts.Way.Taken(ctx, x.message()) {
		return errReused
	}
	// In the journal before its event is emitted, so that after a crash the next process emits
	// the outcome.
	waiting := x.record()
	waiting.State = stateWaiting
	if err := s.journal.put(waiting); err != nil {
		s.log.Error("cannot write down what is sent; messages are refused", "error", err)
		return errJournal
	}
	s.emitPending(x, false)
	ctx, stop := context.WithTimeout(ctx, payloadTimeout)
	defer stop()
	s.emitConversation(x, s.opts.Conversations.Payload(ctx, r.Workspace, r.Conversation))
	return nil
}
