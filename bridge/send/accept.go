package send

import (
	"context"
	"fmt"
	"slices"
	"strings"
)

// Why nothing can be sent now.
var (
	errRefused = &Fault{CodeUnavailable, "messages cannot be sent while the chat server is down"}
	errEnding  = &Fault{CodeUnavailable, "the bridge is ending; send the message again in a moment"}
	errJournal = &Fault{CodeUnavailable, "messages cannot be sent now; send this one again in a moment"}
	errAsking  = &Fault{CodeUnavailable, "whose conversation this is cannot be asked now; send the message again in a moment"}
)

// Send takes a request and waits for its result. An error is a *Fault, and
// Result.Status is Failed then; or ctx's, and the message is on its way all the same.
func (s *Sender) Send(ctx context.Context, r Request) (Result, error) {
	return s.Accept(r).Wait(ctx)
}

// Accept accepts a request without waiting for its result. The messages of one conversation are
// sent in the order in which they were accepted. A request that is known is not sent again: its
// Sending is that of the first, or has its result.
func (s *Sender) Accept(r Request) *Sending {
	x := newSending(r)
	if s.opts.Way == nil {
		if f := x.contentFault(); f != nil {
			return s.refused(x, f)
		}
		return s.refused(x, errRefused)
	}
	switch f, known := s.find(x); {
	case f != nil:
		return s.refused(x, f)
	case known != nil && known.State == stateBegun && s.onItsWay(x.key()) != nil:
	case known != nil:
		defer close(x.done)
		s.repeat(x, known)
		return x
	}
	s.mu.Lock()
	first := s.open[x.key()]
	var f *Fault
	if first == nil {
		f = s.admit(x)
	}
	s.mu.Unlock()
	switch {
	case f != nil:
		return s.refused(x, f)
	case first == nil:
		return x
	case first.fingerprint != x.fingerprint:
		return s.refused(x, errReused)
	}
	s.counters.result("again")
	return first
}

// onItsWay returns the Sending of a key, nil for none.
func (s *Sender) onItsWay(k key) *Sending {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.open[k]
}

// find returns the record of a request that is known and must not be sent again, nil for none;
// or a Fault if that is unknown.
func (s *Sender) find(x *Sending) (*Fault, *record) {
	s.mu.Lock()
	j := s.journal
	s.mu.Unlock()
	if j == nil {
		return errJournal, nil
	}
	known, others, err := j.find(x.key())
	switch {
	case err != nil:
		s.log.Error("cannot tell what was sent; messages are refused", "error", err)
		return errJournal, nil
	case known == nil && others:
		return errReused, nil
	}
	if known == nil || known.State == stateWaiting || known.unsettled() && known.Print == x.fingerprint {
		// Another bridge may have sent it, or this one before it lost its file.
		if row, seen := s.rows.find(x.request.Workspace, x.request.ID); seen && s.onItsWay(x.key()) == nil {
			return s.knownByRow(x, known, &row)
		}
	}
	switch {
	case known == nil || known.State == stateWaiting || known.Print == x.fingerprint && known.unsettled() && s.opts.Way.Repeatable():
		return nil, nil
	}
	return nil, known
}

// knownByRow returns the record of a request whose row the stream has delivered; known is the
// journal's record, nil for none.
func (s *Sender) knownByRow(x *Sending, known *record, row *knownRow) (*Fault, *record) {
	if (known == nil || known.Print != x.fingerprint) && !row.isOf(x) {
		return errReused, nil
	}
	r := x.record()
	if known != nil {
		r.Created = known.Created
	}
	r.State, r.Status, r.RowID = stateSettled, row.status, row.row
	switch {
	case row.status == Failed:
		r.Fault = errRowFailed
	case !s.final(row.status):
		r.Status, r.Fault = Failed, errBeingSent
	}
	return nil, r
}

// errRowFailed: the message's row says failed. errBeingSent: the row says that somebody is
// sending it, but not whether it was sent.
var (
	errRowFailed = &Fault{CodeFailed, "the message was not sent"}
	errBeingSent = &Fault{CodeUnknown, "the message is being sent, and nobody has said yet that it was; look whether it arrived before you send it again"}
)

// errReused: the id belongs to another text. Nothing but the fault is emitted, because events
// under the id are of that text.
var errReused = &Fault{CodeReused, "another message was sent with this id"}

// admit begins a Sending, or returns why not. mu must be held.
func (s *Sender) admit(x *Sending) *Fault {
	switch {
	case s.closed:
		return errEnding
	case s.othersOpen(x):
		return errReused
	}
	if f := x.contentFault(); f != nil {
		return f
	}
	if f := x.sessionFault(s.opts.Way); f != nil {
		return f
	}
	if f := s.rates.take(x.user(), x.created); f != nil {
		return f
	}
	s.begin(x)
	return nil
}

// contentFault returns why a request's content can never be sent, nil if it can.
func (x *Sending) contentFault() *Fault {
	r := &x.request
	switch {
	case strings.TrimSpace(r.Content) == "":
		return &Fault{CodeBadRequest, "there is nothing to send"}
	case len(r.Content) > maxContent:
		return &Fault{CodeBadRequest, fmt.Sprintf("the message is too long: at most %d bytes can be sent", maxContent)}
	case strings.Contains(r.ID+r.Conversation+r.ReplyTo+r.Content, "\x00"):
		return &Fault{CodeBadRequest, "the message has a NUL character, which cannot be stored"}
	}
	return nil
}

// othersOpen reports whether another user's message with the same id is on its way. mu must be
// held.
func (s *Sender) othersOpen(x *Sending) bool {
	w := s.watched[x.request.Workspace]
	return w != nil && slices.ContainsFunc(w.open[x.request.ID], func(other *Sending) bool { return other.request.User != x.request.User })
}

// sessionFault returns why the Way cannot use the sender's session, nil if it can.
func (x *Sending) sessionFault(w Way) *Fault {
	switch {
	case !w.NeedsSession():
	case x.request.Session.Token == "":
		return &Fault{CodeSession, "the message can be sent with a Supabase session only; sign in to the CRM again"}
	case !x.request.Session.Expires.IsZero() && !x.created.Before(x.request.Session.Expires):
		return &Fault{CodeExpired, "the session has expired; send a fresh token by the event auth, or connect again, then send the message again"}
	}
	return nil
}

// refused is refuse for one that was not begun.
func (s *Sender) refused(x *Sending, f *Fault) *Sending {
	defer close(x.done)
	s.refuse(x, f)
	return x
}

// repeat ends a Sending whose request is known, with the earlier result. A message that was
// sent gets its further statuses from its row.
func (s *Sender) repeat(x *Sending, known *record) {
	if known.Print != x.fingerprint {
		s.refuse(x, errReused)
		return
	}
	f, status := known.Fault, known.Status
	if known.State == stateBegun && (known.RowID == "" || !s.final(known.Status)) {
		f = errEnded
	}
	switch row := s.rows.status(known.Workspace, known.RowID); {
	case f != nil:
		s.emitFault(x, f)
		status = Failed
	case row != "" && (rowState{status: row}).beyond(status):
		status = row
	}
	if status != "" && status != Pending {
		s.emitStatus(x, true, status)
	}
	x.state.mu.Lock()
	defer x.state.mu.Unlock()
	x.end(Result{Status: known.Status, RowID: known.RowID, ExternalID: known.ExternalID, CreatedAt: known.Created}, f)
	s.counters.result("again")
}
