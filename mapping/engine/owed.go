package engine

import (
	"hash/maphash"

	"chatbridge/mapping/contract"
	"chatbridge/mapping/internal/plan"
	"chatbridge/source"
)

// debt is an event that went out short of a look-up that failed, or could not
// be made for that reason. It is made again when look-ups succeed.
type debt struct {
	debtKey
	// row is the message's row as the stream had it last; nil for others. The
	// row that the database has by now may be ahead of the stream, and a status
	// of it would be taken back by the messageStatus that the stream has yet to
	// bring.
	row source.Row
	// statusOnly: a messageStatus is owed, not the message.
	statusOnly bool
	size       int
	// at is the transaction that made it short, tx its place by txSeq.
	at source.Tx
	tx uint64
	// id is what clients know the message by, sum the hash of what went out;
	// sent is false when nothing did.
	id   string
	sum  uint64
	sent bool
	// strikes counts failures of a look-up for this debt alone between which
	// others succeeded; successes is how many had at the latest.
	strikes   int
	successes uint64

	prev, next *debt
}

// debtKey is a message, a conversation, or a reference whose conversations are
// owed: one debt each, whatever happened how often.
type debtKey struct {
	table plan.TableID
	key   RowKey
}

// debts are the debts in the order in which they arose, within bounds.
type debts struct {
	all               map[debtKey]*debt
	front             debt // list: front.next is the oldest
	bytes             int
	maxRows, maxBytes int
	seed              maphash.Seed
}

func (d *debts) init(rows, bytes int) {
	d.maxRows, d.maxBytes, d.seed = rows, bytes, maphash.MakeSeed()
	d.all = map[debtKey]*debt{}
	d.front.prev, d.front.next = &d.front, &d.front
}

func (d *debts) get(t plan.TableID, k rowKey) *debt {
	if len(d.all) == 0 {
		return nil
	}
	return d.all[debtKey{t, RowKey{string(k.workspace), string(k.key)}}]
}

// put returns the debt of that key, a new one where there was none.
func (d *debts) put(t plan.TableID, k rowKey) *debt {
	if known := d.get(t, k); known != nil {
		return known
	}
	n := &debt{debtKey: debtKey{t, k.owned()}}
	d.all[n.debtKey] = n
	d.append(n)
	d.resize(n)
	return n
}

func (d *debts) append(n *debt) {
	n.prev, n.next = d.front.prev, &d.front
	n.prev.next, n.next.prev = n, n
}

// toEnd makes a debt the last one.
func (d *debts) toEnd(n *debt) {
	n.prev.next, n.next.prev = n.next, n.prev
	d.append(n)
}

func (d *debts) resize(n *debt) {
	d.bytes -= n.size
	n.size = 200 + len(n.key.Workspace) + len(n.key.Key) + 32*len(n.row)
	for i := range n.row {
		n.size += len(n.row[i].Data)
	}
	d.bytes += n.size
}

func (d *debts) remove(n *debt) {
	if n == nil || d.all[n.debtKey] != n {
		return
	}
	n.prev.next, n.next.prev = n.next, n.prev
	delete(d.all, n.debtKey)
	d.bytes -= n.size
}

func (d *debts) sumOf(payload []byte) uint64 { return maphash.Bytes(d.seed, payload) }

// owes tells that something is owed, or waits and may come to be.
func (m *Mapper) owes() bool { return len(m.debts.all) > 0 || len(m.batch.latest) > 0 }

// owe notes that m.event, or what could not be made of it, was short.
func (m *Mapper) owe(kind contract.Kind, t plan.TableID, k rowKey, row source.Row, o outcome) {
	if latest, ok := m.batch.latest[k.owned()]; ok && t == plan.MessageTable {
		if row = latest; row == nil {
			return // it was deleted in the same transaction
		}
	}
	_, known := m.debts.all[debtKey{t, k.owned()}]
	d := m.debts.put(t, k)
	if !known {
		m.counters.short.Add(1)
	}
	d.at, d.tx = m.tx, m.txSeq
	if o == made {
		d.sum, d.sent = m.debts.sumOf(m.event.Payload), true
	}
	if t == plan.MessageTable && rowSize(row) > m.debts.maxBytes/4 {
		m.abandon(d) // as large as it is it is not kept
		return
	}
	if t == plan.MessageTable {
		d.statusOnly = kind == contract.MessageStatus && (!known || d.statusOnly)
		if o == made {
			d.id = string(m.event.Key)
		}
		d.row = cloneRow(row)
		m.debts.resize(d)
	}
	m.boundDebts()
}

// boundDebts gives up what has been owed for longest when it is too much.
func (m *Mapper) boundDebts() {
	for len(m.debts.all) > m.debts.maxRows || m.debts.bytes > m.debts.maxBytes {
		m.abandon(m.debts.front.next)
	}
}

func (m *Mapper) abandon(d *debt) {
	m.debts.remove(d)
	m.counters.abandoned.Add(1)
	table := &m.tables[d.table]
	m.warn(Warning{
		Reason: "lookup_abandoned", Table: table.Schema + "." + table.Name, Key: d.key.Key,
		Detail: "look-ups failed for so long, or so many rows, that an event that went out without what they lack is not corrected: " +
			"see why look-ups fail; clients see it after a reload",
	}, "")
}

// paid forgets a debt because the event went out whole. A transaction that is
// read again does not pay: its events may be taken for those that went out
// before.
func (m *Mapper) paid(t plan.TableID, k rowKey) {
	if d := m.debts.get(t, k); d != nil && !m.repeated {
		m.debts.remove(d)
		m.counters.settled.Add(1)
	}
}

// owedOrPaid notes how the latest event went: short, or whole.
func (m *Mapper) owedOrPaid(kind contract.Kind, t plan.TableID, k rowKey, row source.Row, o outcome) {
	switch {
	case m.env.Short:
		m.owe(kind, t, k, row, o)
	case o == made:
		m.paid(t, k)
	}
}

// owedOrPaidReference notes whether the conversations of a reference that
// changed could be asked for.
func (m *Mapper) owedOrPaidReference(c changedReference) {
	switch {
	case !m.batch.failed:
		m.paid(c.table, c.key)
	case !m.settling:
		m.owe(contract.Conversation, c.table, c.key, nil, impossible)
	}
}

// updateDebt keeps the row of an owed message as the stream has it.
func (m *Mapper) updateDebt(row source.Row, was, now rowKey) {
	if len(m.batch.latest) > 0 {
		if _, waits := m.batch.latest[now.owned()]; waits {
			m.batch.latest[now.owned()] = m.batch.hold(row)
		}
	}
	if len(m.debts.all) == 0 {
		return
	}
	if !was.equal(now) {
		m.debts.remove(m.debts.get(plan.MessageTable, was))
	}
	d := m.debts.get(plan.MessageTable, now)
	if d == nil {
		return
	}
	if rowSize(row) > m.debts.maxBytes/4 {
		m.abandon(d)
		return
	}
	next := cloneRow(row)
	fill(next, d.row)
	d.row = cloneRow(next)
	m.debts.resize(d)
	m.boundDebts()
}

// dropDebt forgets what is owed of a row that is gone; without a workspace, of
// the key in any.
func (m *Mapper) dropDebt(t plan.TableID, k rowKey, anywhere bool) {
	for latest := range m.batch.latest {
		if t == plan.MessageTable && latest.Key == string(k.key) && (anywhere || latest.Workspace == string(k.workspace)) {
			m.batch.latest[latest] = nil
		}
	}
	if !anywhere {
		m.debts.remove(m.debts.get(t, k))
		return
	}
	for _, d := range m.debts.all {
		if d.table == t && d.key.Key == string(k.key) {
			m.debts.remove(d)
		}
	}
}

// dropDebts forgets what is owed of a table's rows.
func (m *Mapper) dropDebts(t plan.TableID) {
	for _, d := range m.debts.all {
		if d.table == t {
			m.debts.remove(d)
		}
	}
}
