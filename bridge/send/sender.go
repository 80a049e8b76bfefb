package send

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Options configures a Sender.
type Options struct {
	// Way is how messages are sent; nil refuses them all.
	Way Way
	// File keeps which messages were begun, so that none is sent twice. Needed with a
	// Way.
	File string
	// Tell tells clients of what is sent, but for Requests that have a Tell of their own;
	// nil tells nobody. It is called from many goroutines, and must not wait.
	Tell func(Event)
	// Conversations tells which there are. Needed with a Way.
	Conversations Conversations
	// PerMinute is how many messages a user may send in a minute, also at once; 0 for no
	// limit. Timeout bounds one message on its way.
	PerMinute int
	Timeout   time.Duration
	// Fresh reports whether what was committed before a time has been observed; of texts that
	// are passed nothing is told before it has. Nil: always.
	Fresh func(since time.Time) bool
	// Claims are shared with other bridges; nil for none.
	Claims Claims
	// Read marks a conversation as read; nil refuses that.
	Read   Reader
	Logger *slog.Logger
}

// Conversations knows the conversations of workspaces. It is called from many goroutines.
type Conversations interface {
	// Has reports whether the workspace has the conversation. An error means that there
	// is no answer.
	Has(ctx context.Context, workspace, conversation string) (bool, error)
	// Payload returns the conversation's event as the contract has it; nil where that
	// cannot be had now.
	Payload(ctx context.Context, workspace, conversation string) []byte
}

// Claims tells bridges of one another's texts. It is called from many goroutines.
type Claims interface {
	// Claim claims a text for a value, unless it is claimed, and returns what it is claimed
	// for: value where it is claimed now. An error means that there is no answer.
	Claim(ctx context.Context, workspace, id, value string, keep time.Duration) (string, error)
	// Release takes a claim back, if it is for value.
	Release(ctx context.Context, workspace, id, value string) error
}

// questionTimeout bounds the question whose a conversation is, payloadTimeout that for its
// event, for which the message waits.
const (
	questionTimeout = 2 * time.Second
	payloadTimeout  = 500 * time.Millisecond
)

// Sender sends the texts of users. Run must run while it is used with a Way. Its methods
// are safe for concurrent use.
type Sender struct {
	opts      Options
	log       *slog.Logger
	counters  counters
	rows      knownRows
	unsettled unsettled
	name      string // by which its claims are known

	// sending outlives clients; stop ends it.
	sending context.Context
	stop    context.CancelFunc
	running sync.WaitGroup // the goroutines of Sendings
	// following are the goroutines of Passeds, which Shutdown does not wait for.
	following sync.WaitGroup

	// mu guards all below. It is not held while anybody is told or asked.
	mu         sync.Mutex
	closed     bool
	journal    *journal // nil until it is open
	journalErr string
	open       map[key]*Sending
	newest     map[lane]*Sending // of each conversation, while it is open
	rates      rates
	reads      rates
	watched    map[string]*watch    // by workspace
	passed     map[string][]*Passed // by the client's id
	passing    int                  // how many there are
	loggedAt   map[string]time.Time // by what failed

	// damaged is the file with which Open has failed, and damage why. Open alone uses them.
	damaged os.FileInfo
	damage  error

	// watching counts the messages in watched and passed: while it is 0, Observe looks at nothing.
	watching atomic.Int64
}

// lane is a conversation, whose messages are sent one after the other.
type lane struct{ workspace, conversation string }

// sendingState is what becomes of a Sending.
type sendingState struct {
	// mu is held while the workspace is told of a status, so that no newer one of the
	// row's comes between.
	mu     sync.Mutex
	row    rowState
	result Result
	fault  *Fault
}

// New returns a Sender. The zero Options refuse every message.
func New(opts Options) *Sender {
	if opts.Logger == nil {
		opts.Logger = slog.New(slog.DiscardHandler)
	}
	s := &Sender{
		opts: opts, log: opts.Logger, name: newUUID(), rates: newRates(opts.PerMinute), reads: newRates(readsEach * opts.PerMinute), journalErr: "starting",
		open: make(map[key]*Sending), newest: make(map[lane]*Sending), watched: make(map[string]*watch), passed: make(map[string][]*Passed), loggedAt: make(map[string]time.Time),
	}
	s.sending, s.stop = context.WithCancel(context.Background())
	return s
}

// NeedsSession tells whether Requests need a Session.
func (s *Sender) NeedsSession() bool {
	return s.opts.Way != nil && s.opts.Way.NeedsSession() || s.opts.Read != nil && s.opts.Read.NeedsSession()
}

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

// Accept takes a request without waiting for its result. The messages of one
// conversation are sent in the order in which they were accepted. A request that is known
// is not sent again: its Sending is that of the first, or has its result.
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
	case first.print != x.print:
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

// find returns the record of a request that is known and not to be begun again, nil for
// none; or why that cannot be told.
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
	if known == nil || known.State == stateWaiting || known.unsettled() && known.Print == x.print {
		// Another bridge may have sent it, or this one before it lost its file.
		if row, told := s.rows.find(x.request.Workspace, x.request.ID); told && s.onItsWay(x.key()) == nil {
			return s.knownByRow(x, known, &row)
		}
	}
	switch {
	case known == nil || known.State == stateWaiting || known.Print == x.print && known.unsettled() && s.opts.Way.Repeatable():
		return nil, nil
	}
	return nil, known
}

// knownByRow returns the record of a request whose row the stream has told; known is that of
// the journal, nil for none.
func (s *Sender) knownByRow(x *Sending, known *record, row *knownRow) (*Fault, *record) {
	if (known == nil || known.Print != x.print) && !row.isOf(x) {
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

// errRowFailed is the fault of what has failed by its row, errBeingSent of what is being sent
// by its row, by whom this Sender does not know.
var (
	errRowFailed = &Fault{CodeFailed, "the message was not sent"}
	errBeingSent = &Fault{CodeUnknown, "the message is being sent, and nobody has said yet that it was; look whether it arrived before you send it again"}
)

// errReused: what the first text became is not what becomes of this one. Nothing else is
// told under the id, which is the first's.
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

// contentFault tells what of a request can never be sent.
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

// othersOpen tells whether another user's message with its id is on its way. mu must be held.
func (s *Sender) othersOpen(x *Sending) bool {
	w := s.watched[x.request.Workspace]
	return w != nil && slices.ContainsFunc(w.open[x.request.ID], func(other *Sending) bool { return other.request.User != x.request.User })
}

// sessionFault tells whether the sender's session does for the Way.
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

// leave takes a Sending off its way.
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
		<-x.before.passed // it may have given up, or been refused, before its turn
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
	defer x.tellNext()
	// Asked once more: one with its key may have come to its end since.
	switch f, known := s.find(x); {
	case f != nil:
		s.refuse(x, f)
		return
	case known != nil:
		s.repeat(x, known)
		return
	}
	if x.before != nil {
		<-x.before.told
	}
	if f := s.introduce(x); f != nil {
		s.refuse(x, f)
		return
	}
	x.tellNext()
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

// awaitRow waits until the row of a message tells what became of it, where there is one that
// does not tell yet, or another bridge may store it; or ctx ends.
func (s *Sender) awaitRow(ctx context.Context, x *Sending, elsewhere bool) {
	for {
		x.state.mu.Lock()
		row := x.state.row
		x.state.mu.Unlock()
		if row.id == "" && !elsewhere || row.id != "" && s.final(row.status) {
			return
		}
		select {
		case <-x.news:
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

// introduce tells the workspace of the message, once it is known that the conversation
// is its own.
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
	// Whoever is told of it is told what becomes of it, by the next process too.
	waiting := x.record()
	waiting.State = stateWaiting
	if err := s.journal.put(waiting); err != nil {
		s.log.Error("cannot write down what is sent; messages are refused", "error", err)
		return errJournal
	}
	s.tellPending(x, false)
	ctx, stop := context.WithTimeout(ctx, payloadTimeout)
	defer stop()
	s.tellConversation(x, s.opts.Conversations.Payload(ctx, r.Workspace, r.Conversation))
	return nil
}

// note writes down what became of a request.
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
		// It stays as begun: nobody sends it again.
		s.log.Error("cannot write down what became of a message", "error", err)
	}
}

// noteRow writes down that a message on its way has a row, for the next process.
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

// settle ends a Sending of which the workspace was told, tells what became of it, and
// returns that.
func (s *Sender) settle(x *Sending, o Outcome) Outcome {
	x.state.mu.Lock()
	defer x.state.mu.Unlock()
	row := x.state.row
	switch {
	case row.id == "" || o.Fault != nil && o.Fault.Code == CodeReused:
	case o.Fault != nil && row.status != Failed && (row.status != Pending || o.Fault.Code == CodeUnknown && s.final(Pending)):
		// What the row has told the answer does not take back.
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
		s.tellFault(x, f)
		s.counters.result(f.Code)
		s.logFailure(x, &o)
		if f.Code == CodeReused {
			return o
		}
		s.tellStatus(x, false, Failed)
		r := x.record()
		if r.RowID = row.id; row.status == Pending {
			s.tellStatusOf(x, row.id, false, Failed) // its screens may know it by its row
		}
		if row.status != Failed {
			s.remember(r, f)
		}
		return o
	}
	if o.Status == Sent {
		s.tellSent(x, result)
		if !row.beyond(Sent) {
			s.tellStatus(x, false, Sent)
		}
	}
	s.counters.result(o.Status)
	return o
}

// logPause is how long more failures with a code are only counted after one was logged.
const logPause = time.Minute

// logs tells whether a failure of a kind is to be logged now.
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

// refuse ends a Sending of which the workspace has not been told: the text stands on
// its sender's screen, as failed, to be sent again.
func (s *Sender) refuse(x *Sending, f *Fault) {
	if f.Code == CodeReused {
		s.tellFault(x, f)
	} else {
		s.tellPending(x, true)
		s.tellFault(x, f)
		s.tellStatus(x, true, Failed)
		s.rememberRefused(x.record(), f)
	}
	x.state.mu.Lock()
	defer x.state.mu.Unlock()
	x.end(Result{Status: Failed}, f)
	s.counters.result(f.Code)
}

// refused is refuse for one that was not begun.
func (s *Sender) refused(x *Sending, f *Fault) *Sending {
	defer close(x.done)
	s.refuse(x, f)
	return x
}

// repeat ends a Sending whose request is known. What was sent its row tells of.
func (s *Sender) repeat(x *Sending, known *record) {
	if known.Print != x.print {
		s.refuse(x, errReused)
		return
	}
	f, status := known.Fault, known.Status
	if known.State == stateBegun && (known.RowID == "" || !s.final(known.Status)) {
		f = errEnded
	}
	switch told := s.rows.status(known.Workspace, known.RowID); {
	case f != nil:
		s.tellFault(x, f)
		status = Failed
	case told != "" && (rowState{status: told}).beyond(status):
		status = told
	}
	if status != "" && status != Pending {
		s.tellStatus(x, true, status)
	}
	x.state.mu.Lock()
	defer x.state.mu.Unlock()
	x.end(Result{Status: known.Status, RowID: known.RowID, ExternalID: known.ExternalID, CreatedAt: known.Created}, f)
	s.counters.result("again")
}
