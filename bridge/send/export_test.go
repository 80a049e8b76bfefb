package send

import "chatbridge/mapping/contract"

// Way returns how the Sender sends.
func (s *Sender) Way() Way { return s.opts.Way }

// NotedRow returns the row that is written down for a message of ana's in w1, "" for none.
func (s *Sender) NotedRow(id string) string {
	r, _, err := s.journal.find(key{"w1", "ana", id})
	if err != nil || r == nil {
		return ""
	}
	return r.RowID
}

// Noted tells whether a message of ana's in w1 is written down.
func (s *Sender) Noted(id string) bool {
	r, _, err := s.journal.find(key{"w1", "ana", id})
	return err == nil && r != nil
}

// Unsettled is unsettled, with its methods.
type Unsettled struct{ unsettled }

// NewUnsettled returns one with a text on its way.
func NewUnsettled(workspace, id string) *Unsettled {
	u := new(Unsettled)
	u.begin(workspace, id)
	return u
}

func (u *Unsettled) Of(workspace string) []string { return u.of(workspace) }

func (u *Unsettled) End(workspace, id string, o Outcome) { u.end(workspace, id, o.Status, o.Fault) }

func (u *Unsettled) Observe(ev *contract.Event, id string) { u.observe(ev, id) }

// NotedOutcome returns the code of the fault that is written down for a message of ana's in w1,
// "" for none.
func (s *Sender) NotedOutcome(id string) string {
	r, _, err := s.journal.find(key{"w1", "ana", id})
	if err != nil || r == nil || r.Fault == nil {
		return ""
	}
	return r.Fault.Code
}
