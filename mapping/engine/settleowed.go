package engine

import "chatbridge/mapping/internal/plan"

// settler makes owed events again.
type settler struct {
	*sender
	tx *transaction
	// rows is how many events the next attempt takes on, at most maxRows.
	rows, maxRows int
	// index is where the indexes of settled events continue at commit.
	commit uint64
	index  uint32
}

// settle is Mapper.Settle; a transaction must not be open.
func (s *settler) settle(emit Emit) (answered bool, err error) {
	if len(s.owed.all) == 0 || s.resolver.lookup == nil {
		return false, nil
	}
	present, seq := s.tx.Tx, s.tx.seq
	s.resolver.all = true
	defer func() {
		s.tx.Tx, s.tx.seq, s.resolver.all = present, seq, false
		s.reset()
	}()
	if s.commit == present.Commit {
		s.batch.base = max(s.batch.base, s.index)
	}
	s.commit = present.Commit
	attempt := s.oldest()
	s.report.muted = true
	var references []referenceKey
	for _, n := range attempt {
		s.renderOwed(n)
		if n.table >= plan.FirstReference {
			references = append(references, referenceKey{n.table, n.key.bytes()})
		}
	}
	s.report.muted = false
	related := s.resolver.fetch(references)
	s.findOwed(attempt)
	if s.resolver.state == failed {
		s.failed(attempt)
		return false, nil
	}
	s.rows = min(2*s.rows, s.maxRows)
	for _, n := range attempt {
		if err := s.again(n, emit); err != nil {
			return true, err
		}
	}
	for _, key := range inOrder(related) {
		if s.render.conversation(key, s.nextIndex()) != rendered {
			continue
		}
		if err := s.deliverConversation(emit); err != nil {
			return true, err
		}
	}
	return true, nil
}

func (s *settler) oldest() []*owedEvent {
	var out []*owedEvent
	for n := s.owed.front.next; n != &s.owed.front && len(out) < s.rows; n = n.next {
		out = append(out, n)
	}
	return out
}

// maxFailures is how often an event's look-up may fail by itself, while others
// work, before it is given up.
const maxFailures = 20

// failed makes the next attempt half as large and begin with other events:
// one that cannot be looked up at all, such as by a key that is no value of the
// column's type, must not stand in the others' way.
func (s *settler) failed(attempt []*owedEvent) {
	s.rows = max(len(attempt)/2, 1)
	for _, n := range attempt {
		s.owed.toEnd(n)
	}
	if n := attempt[0]; len(attempt) == 1 && n.successes != s.resolver.successes {
		n.successes = s.resolver.successes
		if n.failures++; n.failures > maxFailures {
			s.owed.abandon(n)
		}
	}
}

// again makes an owed event again and emits it if it tells anything new.
func (s *settler) again(n *owedEvent, emit Emit) error {
	o := s.renderOwed(n)
	switch {
	case o != rendered:
	case n.sent && s.owed.sumOf(s.render.event.Payload) == n.sum:
	case n.table == plan.MessageTable && n.sent && string(s.render.event.Key) != n.id:
		// The look-up gave the message another id than it was sent with. Clients
		// would show it as a second message, so it is not sent again.
		s.owed.abandon(n)
		return nil
	default:
		index := s.nextIndex()
		s.render.event.Index = index
		deliver := s.deliverConversation
		if n.table == plan.MessageTable {
			deliver = s.deliverRendered
		}
		if err := deliver(emit); err != nil {
			return err
		}
		if n.statusOnly {
			for range s.plan.Names {
				s.nextIndex()
			}
			if err := s.otherStatuses(index, deliver, emit); err != nil {
				return err
			}
		}
	}
	if s.owed.has(n) {
		s.owed.settle(n)
	}
	return nil
}

func (s *settler) nextIndex() uint32 {
	index := s.batch.base
	s.batch.base++
	s.index = s.batch.base
	return index
}

// renderOwed renders an owed message, messageStatus or conversation.
func (s *settler) renderOwed(n *owedEvent) outcome {
	s.tx.Time, s.tx.seq = n.at.Time, n.seq
	switch n.table {
	case plan.MessageTable:
		if len(n.row) == 0 { // the look-up tells, or it is gone
			s.resolver.lookUp(&s.render.env, needMessage, plan.MessageTable, n.key.bytes())
			return impossible
		}
		row := cloneRow(n.row)
		cut := s.memory.fillMessage(row)
		if n.statusOnly {
			return s.render.status(row, 0)
		}
		o := s.render.message(row, 0, cut)
		s.render.setAgain(row)
		return o
	case plan.ConversationTable:
		return s.render.conversation(n.key.bytes(), 0)
	}
	return impossible
}
