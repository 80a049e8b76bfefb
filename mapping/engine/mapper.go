package engine

import (
	"chatbridge/mapping"
	"chatbridge/mapping/contract"
	"chatbridge/mapping/internal/plan"
	"chatbridge/source"
)

// Emit takes one event, whose bytes are valid until it returns. An error stops the
// Mapper and is returned by the method that called it.
type Emit func(*contract.Event) error

// Mapper maps transactions to events. One goroutine uses it at a time; Stats
// alone may be called from any.
type Mapper struct {
	schema
	report   *reporter
	tx       *transaction
	bindings bindings
	memory   *memory
	compare  comparer
	send     *sender
	settler  settler
	// row is the present change's new row, partial when the source did not send all
	// of it. The old row is compare.old.
	row     source.Row
	partial bool
}

// New returns a Mapper for spec that remembers nothing yet.
func New(spec *mapping.Spec, opts Options) *Mapper {
	opts = opts.withDefaults()
	s := schema{spec.Tables(), spec.Plan()}
	tx, report := &transaction{}, newReporter(spec, opts)
	memory := newMemory(s, tx, opts)
	resolver := &resolver{schema: s, tx: tx, memory: memory, counters: &report.counters, lookup: opts.Lookup, stale: map[needKey]bool{}}
	render := &renderer{schema: s, tx: tx, report: report, resolver: resolver}
	send := &sender{
		schema: s, report: report, memory: memory, resolver: resolver, render: render, owed: newOwedEvents(tx, report, opts),
		batch: batch{base: 1, maxRows: uint32(opts.BatchRows), maxBytes: opts.BatchBytes},
	}
	m := &Mapper{
		schema: s, report: report, tx: tx, memory: memory, send: send,
		bindings: bindings{schema: s, report: report, of: map[*source.Relation]*binding{}},
		compare:  comparer{schema: s, tx: tx, memory: memory, render: render},
		settler:  settler{sender: send, tx: tx, rows: opts.BatchRows, maxRows: opts.BatchRows},
	}
	render.env.Init(opts.EventBytes)
	render.env.Find, render.env.Tables, render.env.Trusted = resolver, len(s.tables), &m.bindings.trusted
	return m
}

// Begin starts a transaction. One before it that did not come to its Commit,
// because the connection broke, comes again: what it changed in memory must
// not hide what it changes, so memory is dropped, and in its second coming
// whatever may have changed counts as changed.
func (m *Mapper) Begin(tx source.Tx) {
	m.tx.begin(tx)
	if m.tx.restarted {
		m.forget()
	}
	m.send.render.shrinkBuffers()
	m.send.reset()
	m.send.batch.base = 1
}

// Change maps one row's change. Events that need nothing looked up are emitted
// at once, others when the batch is complete, in order.
//
// A row that cannot be mapped is counted and warned of; the error is only
// ever one that emit returned.
func (m *Mapper) Change(c *source.Change, emit Emit) error {
	b := m.bindings.get(c.Relation)
	index := m.send.batch.next(c.New)
	if err := m.change(b, c, index, emit); err != nil {
		return err
	}
	err := m.flushFull(emit)
	if m.send.batch.bytes == 0 { // a row may have filled the batch by itself: the source's buffer is let go
		clear(m.row)
		clear(m.compare.old)
	}
	return err
}

func (m *Mapper) change(b *binding, c *source.Change, index uint32, emit Emit) error {
	if !b.read {
		m.report.countRow(plan.TableID(plan.MaxTables), c.Op)
		m.report.skip(skipOther)
		return nil
	}
	m.report.countRow(b.table, c.Op)
	m.tx.late = c.Late
	m.memory.streamed[b.table] = true
	m.bindings.scratch = m.bindings.scratch[:0]
	if c.Op != source.Truncate && b.missing != "" {
		m.report.fail(failColumn, b.table, nil, b.missing, "the table has no column "+b.missing)
		return nil
	}
	switch c.Op {
	case source.Delete:
		m.deleted(b, c, index)
		return nil
	case source.Truncate:
		m.truncated(b.table)
		return nil
	case source.Insert, source.Update:
	default:
		return nil
	}
	m.project(b, c)
	switch b.table {
	case plan.MessageTable:
		return m.messageChange(b, c.Op, index, emit)
	case plan.ConversationTable:
		return m.conversationChange(c.Op, index, emit)
	}
	if m.reference(b.table).Many {
		m.manyChange(b.table, c.Op, index)
		return nil
	}
	m.referenceChange(b.table, c.Op)
	return nil
}

// project puts a change's rows into the order of the Spec's columns.
func (m *Mapper) project(b *binding, c *source.Change) {
	m.row, m.partial = b.project(m.row, c.New, source.Unchanged)
	if c.Old == nil {
		m.compare.old = m.compare.old[:0]
		return
	}
	m.compare.old, _ = b.project(m.compare.old, c.Old, source.Absent)
	if m.partial { // what comes of the old row counts for the batch as well
		sent := rowSize(m.row)
		fill(m.row, m.compare.old)
		m.send.batch.bytes += rowSize(m.row) - sent
	}
}

// flushFull ends the batch when it is full.
func (m *Mapper) flushFull(emit Emit) error {
	if !m.send.batch.full() {
		return nil
	}
	return m.send.flush(emit)
}

// Commit ends the transaction: it emits the rows that waited for a look-up and
// the conversation events.
func (m *Mapper) Commit(emit Emit) error {
	err := m.send.flush(emit)
	if err == nil {
		m.tx.end()
	}
	m.publishSizes()
	return err
}

// Forget drops what the Mapper remembers of rows: after a Gap it may be untrue.
// The values that rows had once (`kept:`) stay true, and stay.
// Messages that are owed are given up and counted, as their latest state is
// not known any more; conversations stay owed.
func (m *Mapper) Forget() {
	m.tx.newest = 0
	m.send.owed.abandonMessages()
	m.forget()
	m.publishSizes()
}

func (m *Mapper) forget() {
	m.memory.forget()
	m.send.reset()
	clear(m.send.resolver.stale)
}

// Owed returns how many rows' events were sent without what a failed look-up would
// have found, or not at all: they are to be corrected by Settle. Only
// the goroutine that feeds the Mapper may call it; Stats has the same number for
// others.
func (m *Mapper) Owed() int { return len(m.send.owed.all) }

// LookupError returns why the latest look-up failed, nil when it did not. Only
// the goroutine that feeds the Mapper may call it.
func (m *Mapper) LookupError() error { return m.send.resolver.err }

// Settle asks once more for what events went out without, at most
// Options.BatchRows rows in one look-up, fewer after a failure, and emits those
// events again, as the rows are by now in the stream: a message with its latest
// status and the id that clients know it by, a conversation with its newest
// message. An event that would be what was sent before is not sent again.
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
	if m.tx.open {
		return false, nil
	}
	defer m.publishSizes()
	return m.settler.settle(emit)
}

// publishSizes shows the present sizes to Stats.
func (m *Mapper) publishSizes() {
	c := &m.report.counters
	show(&c.rememberedRows, m.memory.rows.count)
	show(&c.rememberedBytes, m.memory.rows.bytes)
	show(&c.rememberedMessages, len(m.memory.fingerprints.index))
	show(&c.evicted, int(m.memory.rows.evicted))
	show(&c.owed, len(m.send.owed.all))
}
