package send

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

// NotedOutcome returns the code of the fault that is written down for a message of ana's in w1,
// "" for none.
func (s *Sender) NotedOutcome(id string) string {
	r, _, err := s.journal.find(key{"w1", "ana", id})
	if err != nil || r == nil || r.Fault == nil {
		return ""
	}
	return r.Fault.Code
}
