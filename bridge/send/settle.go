package send

import (
	"time"
)

// note writes the outcome of a request to the journal.
func (s *Sender) note(x *Sending, o Outcome) {
	x.noting.Lock()
	defer x.noting.Unlock()
	x.noted = true
	rec := x.record()
	var err error
	if o.NotBegun {
		err = s.journal.drop(rec)
	} else {
		rec.State, rec.Status, rec.RowID, rec.ExternalID, rec.Fault = stateSettled, o.Status, o.RowID, o.ExternalID, o.Fault
		err = s.journal.put(rec)
	}
	if err != nil {
		// It stays as begun in the journal, so it is not sent again.
		s.log.Error("cannot write down what became of a message", "error", err)
	}
}

// noteRow writes the row of a message on its way to the journal, for the next process.
func (s *Sender) noteRow(x *Sending, row rowState) {
	x.noting.Lock()
	defer x.noting.Unlock()
	if x.noted || x.row.beyond(row.status) {
		return
	}
	x.row = row
	rec := x.record()
	rec.RowID, rec.Status = row.id, row.status
	if err := s.journal.put(rec); err != nil {
		s.log.Error("cannot write down what became of a message", "error", err)
	}
}

// settle ends a Sending that was announced to the workspace, emits its outcome, and returns
// that.
func (s *Sender) settle(x *Sending, o Outcome) Outcome {
	x.state.mu.Lock()
	defer x.state.mu.Unlock()
	row := x.state.row
	switch {
	case row.id == "" || o.Fault != nil && o.Fault.Code == CodeReused:
	case o.Fault != nil && row.status != Failed && (row.status != Pending || o.Fault.Code == CodeUnknown && s.final(Pending)):
		// The row's status takes precedence over the answer.
		o = Outcome{Status: row.status, RowID: row.id}
		s.counters.reconcile()
	case o.Fault == nil && row.status == Failed:
		o = failed(CodeFailed, errRowFailed.Message)
		o.RowID = row.id
	case o.Fault != nil:
		o.RowID = row.id
	}
	result := x.result(Result{Status: o.Status, RowID: o.RowID, ExternalID: o.ExternalID})
	x.end(result, o.Fault)
	if f := o.Fault; f != nil {
		s.emitFault(x, f)
		s.counters.result(f.Code)
		s.logFailure(x, &o)
		if f.Code == CodeReused {
			return o
		}
		s.emitStatus(x, false, Failed)
		r := x.record()
		if r.RowID = row.id; row.status == Pending {
			s.emitStatusOf(x, row.id, false, Failed) // pages may have it under the row's id
		}
		if row.status != Failed {
			s.remember(r, f)
		}
		return o
	}
	if o.Status == Sent {
		s.emitSent(x, result)
		if !row.beyond(Sent) {
			s.emitStatus(x, false, Sent)
		}
	}
	s.counters.result(o.Status)
	return o
}

// logPause is for how long after a logged failure others with the same code are only counted.
const logPause = time.Minute

// logs reports whether a failure of a kind is logged now.
func (s *Sender) logs(kind string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	if now.Sub(s.loggedAt[kind]) <= logPause {
		return false
	}
	s.loggedAt[kind] = now
	return true
}

func (s *Sender) logFailure(x *Sending, o *Outcome) {
	if !s.logs(o.Fault.Code) {
		return
	}
	attrs := []any{"code", o.Fault.Code, "workspace", x.request.Workspace, "conversation", x.request.Conversation}
	if o.Cause != nil {
		attrs = append(attrs, "error", o.Cause)
	}
	s.log.Warn("a message was not sent, or may not have been; more of the same within a minute are only counted", attrs...)
}

// refuse ends a Sending that was not announced to the workspace. Its sender alone gets the
// message as failed, and can send it again.
func (s *Sender) refuse(x *Sending, f *Fault) {
	if f.Code == CodeReused {
		s.emitFault(x, f)
	} else {
		s.emitPending(x, true)
		s.emitFault(x, f)
		s.emitStatus(x, true, Failed)
		s.rememberRefused(x.record(), f)
	}
	x.state.mu.Lock()
	defer x.state.mu.Unlock()
	x.end(Result{Status: Failed}, f)
	s.counters.result(f.Code)
}
