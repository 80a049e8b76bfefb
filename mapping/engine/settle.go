package engine

import "chatbridge/mapping/internal/plan"

// Owed returns how many rows went out short of a look-up that failed: their
// events are to be corrected by Settle. Only the goroutine that feeds the
// Mapper may call it; Stats has the same number for others.
func (m *Mapper) Owed() int { return len(m.debts.all) }

// LookupError returns why the latest look-up failed, nil when it did not. Only
// the goroutine that feeds the Mapper may call it.
func (m *Mapper) LookupError() error { return m.lookupError }

// Settle asks once more for what events went out without, at most
// Options.BatchRows rows in one look-up, fewer after a failure, and emits those events again, as the
// rows are by now in the stream: a message with its latest status and the id
// that clients know it by, a conversation with its newest message. An event
// that would be what went out before is not sent again.
//
// It does something only between transactions: call it after a Commit, or
// while nothing comes, as long as Owed is not 0, and not more often than it
// makes sense to ask a database that does not answer. answered is false when
// the look-up failed again, or nothing was done.
//
// The events have no place in a transaction of their own. Their Index goes on
// after all indexes that the latest transaction could have used, so that with
// that transaction's Tx.Commit their position is past all of it and before the
// next one's.
func (m *Mapper) Settle(emit Emit) (answered bool, err error) {
	if m.open || len(m.debts.all) == 0 || m.opts.Lookup == nil {
		return false, nil
	}
	tx, seq := m.tx, m.txSeq
	m.settling = true
	defer func() {
		m.tx, m.txSeq, m.settling = tx, seq, false
		m.batch.reset()
		m.publishSizes()
	}()
	if m.settledCommit == tx.Commit {
		m.batch.base = max(m.batch.base, m.settledIndex)
	}
	m.settledCommit = tx.Commit
	owed := m.oldestDebts()
	m.trying = true
	for _, d := range owed {
		m.makeAgain(d)
	}
	m.trying = false
	related := m.fetch()
	m.batch.asked = true
	if m.batch.failed {
		m.settleFailed(owed)
		return false, nil
	}
	m.settleRows = min(2*m.settleRows, m.opts.BatchRows)
	for _, d := range owed {
		if err := m.settle(d, emit); err != nil {
			return true, err
		}
	}
	for _, key := range inOrder(related) {
		t := touched{rowKey: key}
		if m.makeConversation(&t, m.nextSettled()) != made {
			continue
		}
		if err := m.deliverConversation(emit); err != nil {
			return true, err
		}
	}
	return true, nil
}

func (m *Mapper) oldestDebts() []*debt {
	var out []*debt
	for d := m.debts.front.next; d != &m.debts.front && len(out) < m.settleRows; d = d.next {
		out = append(out, d)
	}
	return out
}

// maxStrikes is how often a debt's look-up may fail by itself, while others
// work, before it is given up.
const maxStrikes = 20

// settleFailed makes the next attempt half as large and begin with other debts:
// one that cannot be looked up at all, such as by a key that is no value of the
// column's type, must not stand in the others' way.
func (m *Mapper) settleFailed(owed []*debt) {
	m.settleRows = max(len(owed)/2, 1)
	for _, d := range owed {
		m.debts.toEnd(d)
	}
	if d := owed[0]; len(owed) == 1 && d.successes != m.successes {
		d.successes = m.successes
		if d.strikes++; d.strikes > maxStrikes {
			m.abandon(d)
		}
	}
}

// settle makes an owed event again and emits it if it tells anything new.
func (m *Mapper) settle(d *debt, emit Emit) error {
	o := m.makeAgain(d)
	switch {
	case o != made:
	case d.sent && m.debts.sumOf(m.event.Payload) == d.sum:
	case d.table == plan.MessageTable && d.sent && string(m.event.Key) != d.id:
		// The id itself is looked up: a second id would be a second message.
		m.abandon(d)
		return nil
	case d.table == plan.ConversationTable:
		m.event.Index = m.nextSettled()
		if err := m.deliverConversation(emit); err != nil {
			return err
		}
	default:
		m.event.Index = m.nextSettled()
		if err := m.deliver(&m.event, emit); err != nil {
			return err
		}
	}
	if m.debts.all[d.debtKey] == d {
		m.debts.remove(d)
		m.counters.settled.Add(1)
	}
	return nil
}

func (m *Mapper) nextSettled() uint32 {
	index := m.batch.base
	m.batch.base++
	m.settledIndex = m.batch.base
	return index
}

// makeAgain makes m.event of a debt.
func (m *Mapper) makeAgain(d *debt) outcome {
	m.tx.Time, m.txSeq = d.at.Time, d.tx
	switch {
	case d.table == plan.MessageTable:
		row := cloneRow(d.row)
		m.fillRemembered(row)
		if d.statusOnly {
			return m.makeStatus(row, 0)
		}
		return m.makeMessage(row, 0)
	case d.table == plan.ConversationTable:
		return m.makeConversation(&touched{rowKey: d.key.bytes()}, 0)
	case m.trying:
		m.batch.changed = append(m.batch.changed, changedReference{d.table, d.key.bytes()})
	}
	return impossible
}
