package engine

import (
	"hash/maphash"

	"chatbridge/mapping/contract"
	"chatbridge/mapping/internal/plan"
	"chatbridge/source"
)

// owedEvent is an event that was sent without what a failed look-up would have
// found, or could not be made for that reason. It is made again when look-ups
// succeed.
type owedEvent struct {
	owedKey
	// row is the message's row as the stream had it last; nil for others. The
	// row that the database has by now may be ahead of the stream, and a status
	// of it would be taken back by the messageStatus that the stream has yet to
	// bring.
	row source.Row
	// statusOnly: a messageStatus is owed, not the message.
	statusOnly bool
	size       int
	// at is the transaction that it belongs to, seq its place by transaction.seq.
	at  source.Tx
	seq uint64
	// id is what clients know the message by, sum the hash of what was sent;
	// sent is false when nothing was.
	id   string
	sum  uint64
	sent bool
	// failures counts failed look-ups for this event alone between which others
	// succeeded; successes is how many had at the latest.
	failures  int
	successes uint64

	prev, next *owedEvent
}

// owedKey is a message, a conversation, or a reference whose conversations are
// owed: one entry each, whatever happened how often.
type owedKey struct {
	table plan.TableID
	key   RowKey
}

// owedEvents are the events that are owed, in the order in which they came to be,
// within bounds.
type owedEvents struct {
	tx     *transaction
	report *reporter

	all               map[owedKey]*owedEvent
	front             owedEvent // list: front.next is the oldest
	bytes             int
	maxRows, maxBytes int
	seed              maphash.Seed
}

func newOwedEvents(tx *transaction, report *reporter, o Options) *owedEvents {
	e := &owedEvents{
		tx: tx, report: report, all: map[owedKey]*owedEvent{},
		maxRows: o.OwedRows, maxBytes: o.OwedBytes, seed: maphash.MakeSeed(),
	}
	e.front.prev, e.front.next = &e.front, &e.front
	return e
}

func (o *owedEvents) get(t plan.TableID, k rowKey) *owedEvent {
	if len(o.all) == 0 {
		return nil
	}
	return o.all[owedKey{t, RowKey{string(k.workspace), string(k.key)}}]
}

// put returns the entry of that key, a new one where there was none.
func (o *owedEvents) put(t plan.TableID, k rowKey) *owedEvent {
	if known := o.get(t, k); known != nil {
		return known
	}
	n := &owedEvent{owedKey: owedKey{t, k.owned()}}
	o.all[n.owedKey] = n
	o.append(n)
	o.setRow(n, nil)
	return n
}

func (o *owedEvents) append(n *owedEvent) {
	n.prev, n.next = o.front.prev, &o.front
	n.prev.next, n.next.prev = n, n
}

// toEnd makes an entry the last one.
func (o *owedEvents) toEnd(n *owedEvent) {
	n.prev.next, n.next.prev = n.next, n.prev
	o.append(n)
}

func (o *owedEvents) setRow(n *owedEvent, row source.Row) {
	n.row = row
	o.bytes -= n.size
	n.size = 200 + len(n.key.Workspace) + len(n.key.Key) + 32*len(row) + rowSize(row)
	o.bytes += n.size
}

func (o *owedEvents) has(n *owedEvent) bool { return n != nil && o.all[n.owedKey] == n }

func (o *owedEvents) remove(n *owedEvent) {
	if !o.has(n) {
		return
	}
	n.prev.next, n.next.prev = n.next, n.prev
	delete(o.all, n.owedKey)
	o.bytes -= n.size
}

func (o *owedEvents) sumOf(payload []byte) uint64 { return maphash.Bytes(o.seed, payload) }

// add notes an event that is owed: the kind that failed, the row of table t that
// it is of, a message's row, and what was sent, nil for nothing.
func (o *owedEvents) add(kind contract.Kind, t plan.TableID, k rowKey, row source.Row, sent *contract.Event) {
	known := o.get(t, k) != nil
	n := o.put(t, k)
	if !known {
		o.report.short.Add(1)
	}
	n.at, n.seq = o.tx.Tx, o.tx.seq
	if sent != nil {
		n.sum, n.sent = o.sumOf(sent.Payload), true
	}
	if t == plan.MessageTable {
		if o.tooLarge(row) {
			o.abandon(n)
			return
		}
		n.statusOnly = kind == contract.MessageStatus && (!known || n.statusOnly)
		if sent != nil {
			n.id = string(sent.Key)
		}
		if row != nil || len(n.row) == 0 { // nil where it is not known
			o.setRow(n, cloneRow(row))
		}
	}
	o.bound()
}

// tooLarge tells of a row that would take too much of what may be remembered.
func (o *owedEvents) tooLarge(row source.Row) bool { return rowSize(row) > o.maxBytes/4 }

// bound gives up what has been owed for longest when it is too much.
func (o *owedEvents) bound() {
	for len(o.all) > o.maxRows || o.bytes > o.maxBytes {
		o.abandon(o.front.next)
	}
}

func (o *owedEvents) abandon(n *owedEvent) {
	o.remove(n)
	o.report.abandoned.Add(1)
	o.report.warn("lookup_abandoned", n.table, n.key.Key, "",
		"look-ups failed for so long, or so many rows, that an event that went out without what they lack is not corrected: "+
			"see why look-ups fail; clients see it after a reload")
}

// abandonMessages gives up all messages: their latest state is not known any more.
func (o *owedEvents) abandonMessages() {
	for _, n := range o.all {
		if n.table == plan.MessageTable {
			o.abandon(n)
		}
	}
}

// settled removes an event that was sent complete. A transaction that is read
// again does not settle: its events may be taken for those that were sent before.
func (o *owedEvents) settled(t plan.TableID, k rowKey) {
	if n := o.get(t, k); n != nil && !o.tx.repeated {
		o.settle(n)
	}
}

func (o *owedEvents) settle(n *owedEvent) {
	o.remove(n)
	o.report.settled.Add(1)
}

// update keeps the row of an owed message as the stream has it.
func (o *owedEvents) update(row source.Row, was, now rowKey) {
	if len(o.all) == 0 {
		return
	}
	if !was.equal(now) {
		o.remove(o.get(plan.MessageTable, was))
	}
	n := o.get(plan.MessageTable, now)
	if n == nil {
		return
	}
	if o.tooLarge(row) {
		o.abandon(n)
		return
	}
	next := cloneRow(row)
	fill(next, n.row)
	o.setRow(n, cloneRow(next))
	o.bound()
}

// drop forgets what is owed of a row that is gone; anywhere: of the key in
// whatever workspace.
func (o *owedEvents) drop(t plan.TableID, k rowKey, anywhere bool) {
	if !anywhere {
		o.remove(o.get(t, k))
		return
	}
	for _, n := range o.all {
		if n.table == t && n.key.Key == string(k.key) {
			o.remove(n)
		}
	}
}

// dropTable forgets what is owed of a table's rows.
func (o *owedEvents) dropTable(t plan.TableID) {
	for _, n := range o.all {
		if n.table == t {
			o.remove(n)
		}
	}
}
