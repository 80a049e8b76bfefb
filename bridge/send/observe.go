package send

import (
	"bytes"
	"encoding/json"
	"time"

	"chatbridge/mapping/contract"
)

const (
	// tellAgainFor is how long clients that connect are told that a message has failed:
	// its sender may have been away when it did.
	tellAgainFor = time.Hour
	// maxFailures bounds what is told so in all, failuresEach of one workspace: the newest.
	maxFailures, failuresEach = 5000, 200
	// refusalsEach bounds the refusals among failuresEach.
	refusalsEach = 100
)

// rowState is the state of a message's row as of the stream.
type rowState struct{ id, status string }

// order is that of the statuses; one never goes back.
var order = map[string]int{Pending: 1, Sent: 2, "delivered": 3, "read": 4, Failed: 5}

// beyond tells whether the row has a status that another must not follow.
func (r rowState) beyond(status string) bool { return order[r.status] > order[status] }

// watch is a workspace's messages whose rows are awaited. The Sender's mu guards it.
type watch struct {
	open     map[string][]*Sending // by the client's id: those of several users
	rows     map[string]*Sending   // by the row's id, once it is known
	failures map[key]*failure
}

// failure is a message that was emitted as failed, and whose row has not been seen.
type failure struct {
	record record
	fault  *Fault
	own    bool // for its user alone
}

// of returns the workspace's watch, known or new. mu must be held.
func (s *Sender) of(workspace string) *watch {
	w := s.watched[workspace]
	if w == nil {
		w = &watch{open: make(map[string][]*Sending), rows: make(map[string]*Sending), failures: make(map[key]*failure)}
		s.watched[workspace] = w
	}
	return w
}

// dropIfEmpty forgets a workspace's watch. mu must be held.
func (s *Sender) dropIfEmpty(workspace string, w *watch) {
	if len(w.open)+len(w.failures) == 0 {
		delete(s.watched, workspace)
	}
}

// watch looks out for the row of a Sending. mu must be held.
func (s *Sender) watch(x *Sending) {
	w := s.of(x.request.Workspace)
	w.open[x.request.ID] = append(w.open[x.request.ID], x)
	s.watching.Add(1)
	if _, was := w.failures[x.key()]; was { // tried again
		delete(w.failures, x.key())
		s.watching.Add(-1)
	}
}

// unwatch ends that. mu must be held.
func (s *Sender) unwatch(x *Sending) {
	w := s.of(x.request.Workspace)
	rest := make([]*Sending, 0, len(w.open[x.request.ID]))
	for _, other := range w.open[x.request.ID] {
		if other != x {
			rest = append(rest, other)
		}
	}
	if w.open[x.request.ID] = rest; len(rest) == 0 {
		delete(w.open, x.request.ID)
	}
	for id, of := range w.rows {
		if of == x {
			delete(w.rows, id)
		}
	}
	s.watching.Add(-1)
	s.dropIfEmpty(x.request.Workspace, w)
}

// remember keeps a failure, to be told again and to be reconciled.
func (s *Sender) remember(r *record, f *Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fail(r, f)
}

// rememberRefused keeps a refusal for its user, whose socket may be gone. It takes the place
// of older ones alone.
func (s *Sender) rememberRefused(r *record, f *Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	w := s.of(r.Workspace)
	if old := w.failures[r.key()]; old != nil && !old.own {
		return
	}
	refused := 0
	var oldest key
	for k, other := range w.failures {
		if !other.own {
			continue
		}
		refused++
		if o := w.failures[oldest]; o == nil || other.record.Created.Before(o.record.Created) {
			oldest = k
		}
	}
	if refused >= refusalsEach {
		delete(w.failures, oldest)
		s.watching.Add(-1)
	}
	if len(w.failures) < failuresEach {
		if w.failures[r.key()] == nil {
			s.watching.Add(1)
		}
		w.failures[r.key()] = &failure{*r, f, true}
	}
	s.dropIfEmpty(r.Workspace, w)
}

func (s *Sender) fail(r *record, f *Fault) {
	w := s.of(r.Workspace)
	if len(w.failures) >= failuresEach && w.failures[r.key()] == nil {
		var oldest key
		for k, other := range w.failures {
			if o := w.failures[oldest]; o == nil || other.record.Created.Before(o.record.Created) {
				oldest = k
			}
		}
		delete(w.failures, oldest)
		s.watching.Add(-1)
	}
	if _, was := w.failures[r.key()]; !was {
		s.watching.Add(1)
	}
	w.failures[r.key()] = &failure{*r, f, false}
}

// forget drops failures that are older than tellAgainFor.
func (s *Sender) forget(now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for workspace, w := range s.watched {
		for k, f := range w.failures {
			if now.Sub(f.record.Created) > tellAgainFor {
				delete(w.failures, k)
				s.watching.Add(-1)
			}
		}
		s.dropIfEmpty(workspace, w)
	}
}

// Failures returns the events for a client that connects: the messages of the workspace that
// have failed, which it may still show as pending.
func (s *Sender) Failures(workspace, user string) []Event {
	if s.watching.Load() == 0 {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	w := s.watched[workspace]
	if w == nil {
		return nil
	}
	events := make([]Event, 0, len(w.failures))
	for _, f := range w.failures {
		if f.record.User != user && (f.own || !shared(f.record.ID)) {
			continue
		}
		for _, id := range []string{f.record.ID, f.record.RowID} {
			payload, err := json.Marshal(contract.MessageStatusUpdate{MessageID: id, Status: Failed, ConversationID: f.record.Conversation})
			if err == nil && id != "" {
				events = append(events, Event{Name: contract.MessageStatus.String(), Payload: payload, Workspace: workspace, Own: true})
			}
		}
	}
	return events
}

var clientMessageID = []byte(`"clientMessageId":`)

// Watching reports whether Observe has anything to look for. Safe for concurrent use.
func (s *Sender) Watching() bool {
	return s.opts.Way != nil || s.watching.Load() > 0 || s.unsettled.any()
}

// Observe handles an event of the database before it is published. A row that has a client's id
// is that message's, and its status is authoritative from then on. It is called by one
// goroutine, and does not wait for a Way or a disk.
func (s *Sender) Observe(ev *contract.Event) {
	if !s.Watching() {
		return
	}
	id := s.know(ev)
	if s.opts.Way == nil && ev.Kind == contract.Message {
		id = clientIDOf(ev.Payload)
	}
	s.follow(ev, id)
	if s.watching.Load() == 0 || ev.Kind != contract.Message && ev.Kind != contract.MessageStatus {
		return
	}
	s.observePassed(ev)
	s.mu.Lock()
	w := s.watched[string(ev.Workspace)]
	if w == nil {
		s.mu.Unlock()
		return
	}
	row := rowState{string(ev.Key), string(ev.Status)}
	var open []*Sending
	if ev.Kind == contract.Message {
		open = append(open, w.open[id]...)
	}
	if x := w.rows[row.id]; x != nil && len(open) == 0 {
		open = append(open, x) // by a status, or by a row that does not tell the client's id any more
	}
	for _, x := range open {
		w.rows[row.id] = x
		if s.journal != nil && !s.closed {
			s.running.Go(func() { s.noteRow(x, row) })
		}
	}
	s.mu.Unlock()
	for _, x := range open {
		x.seen(row)
	}
	// After that: what ends as failed without the row being seen is among them.
	for _, f := range s.takeFailures(string(ev.Workspace), id, row) {
		s.reconcile(f, row)
	}
}

// know remembers the rows that have a client's id, whoever has sent them: what a row is later
// may not tell it, and who sends the text again is told what the row tells. It returns the
// client's id of a message's row, "" for none.
func (s *Sender) know(ev *contract.Event) (id string) {
	switch {
	case s.opts.Way == nil:
	case ev.Kind == contract.MessageStatus:
		s.rows.tell(string(ev.Workspace), string(ev.Key), string(ev.Status))
	case ev.Kind == contract.Message:
		var m struct {
			SenderID string `json:"senderId"`
			Content  string `json:"content"`
			Metadata struct {
				ClientMessageID string `json:"clientMessageId"`
			} `json:"metadata"`
		}
		if !bytes.Contains(ev.Payload, clientMessageID) || json.Unmarshal(ev.Payload, &m) != nil || m.Metadata.ClientMessageID == "" {
			s.rows.tell(string(ev.Workspace), string(ev.Key), string(ev.Status))
			return ""
		}
		id = m.Metadata.ClientMessageID
		r := knownRow{
			client: m.Metadata.ClientMessageID, row: string(ev.Key), status: string(ev.Status),
			conversation: string(ev.Conversation), digest: digest(m.Content),
		}
		if IsUUID(m.SenderID) { // else it is a word of the mapping's for whoever it was
			r.user = m.SenderID
		}
		s.rows.seen(string(ev.Workspace), r)
	}
	return id
}

// follow notes what a row tells of a text of which clients may still be told something. id is
// the client's id in it, "" for none.
func (s *Sender) follow(ev *contract.Event, id string) {
	if ev.Kind != contract.Message && ev.Kind != contract.MessageStatus {
		return
	}
	if s.opts.Way != nil && id != "" && string(ev.Status) == Pending && !s.passes(id) {
		s.unsettled.foreign(string(ev.Workspace), id, "") // somebody else sends it
	}
	s.unsettled.observe(ev, id)
}

// final tells whether a row with a status tells what became of its message. One that is being
// sent does not, unless a worker sends it.
func (s *Sender) final(status string) bool {
	return status != Pending || s.opts.Way != nil && s.opts.Way.Repeatable()
}

// clientIDOf returns the client's id in a message's metadata, "" for none.
func clientIDOf(payload []byte) string {
	if !bytes.Contains(payload, clientMessageID) {
		return ""
	}
	var m struct {
		Metadata struct {
			ClientMessageID string `json:"clientMessageId"`
		} `json:"metadata"`
	}
	if json.Unmarshal(payload, &m) != nil {
		return ""
	}
	return m.Metadata.ClientMessageID
}

// seen notes what a row tells.
func (x *Sending) seen(row rowState) {
	x.state.mu.Lock()
	defer x.state.mu.Unlock()
	x.state.row = row
	select {
	case x.rowChanged <- struct{}{}:
	default:
	}
}

// takeFailures removes the failures of an id, or of a row, of which the row tells what became.
func (s *Sender) takeFailures(workspace, id string, row rowState) (found []*failure) {
	s.mu.Lock()
	defer s.mu.Unlock()
	w := s.watched[workspace]
	if w == nil {
		return nil
	}
	for k, f := range w.failures {
		if k.id != id && (f.record.RowID == "" || f.record.RowID != row.id) {
			continue
		}
		if !s.final(row.status) && (f.fault.Code == CodeUnknown || f.fault.Code == CodeFailed) {
			f.record.RowID = row.id // what becomes of it may come without the client's id
		} else {
			delete(w.failures, k)
			s.watching.Add(-1)
			found = append(found, f)
		}
	}
	s.dropIfEmpty(workspace, w)
	return found
}

// reconcile writes down that a message which was told as failed has a row.
func (s *Sender) reconcile(f *failure, row rowState) {
	s.counters.reconcile()
	r := f.record
	r.State, r.RowID = stateSettled, row.id
	if r.Status, r.Fault = row.status, nil; row.status == Failed {
		r.Fault = f.fault
	}
	s.mu.Lock()
	j := s.journal
	if j == nil || s.closed {
		s.mu.Unlock()
		return // the next process reads the row again, or tells once more
	}
	s.running.Go(func() {
		if err := j.put(&r); err != nil {
			s.log.Error("cannot write down what became of a message", "error", err)
		}
	})
	s.mu.Unlock()
}
