package engine

import (
	"sync/atomic"
	"time"

	"chatbridge/mapping"
	"chatbridge/mapping/contract"
	"chatbridge/mapping/internal/plan"
	"chatbridge/source"
)

// Mapper maps transactions to events. One goroutine uses it at a time; Stats
// alone may be called from any.
type Mapper struct {
	tables []mapping.Table
	plan   *plan.Plan
	opts   Options

	counters     counters
	unknownWords map[string]*atomic.Uint64
	warned       map[string]bool

	bindings map[*source.Relation]*binding
	last     *binding
	trusted  [plan.MaxTables][]bool
	// streamed tells which tables the stream has shown.
	streamed [plan.MaxTables]bool

	memory memory
	prints fingerprints
	kept   keptValues
	debts  debts
	// lastCommit is the newest transaction's that was committed, repeated tells
	// that the present one is not newer.
	lastCommit uint64
	repeated   bool
	// settledCommit and settledIndex say where the indexes of settled events
	// go on, settling that Settle is at work.
	settledCommit uint64
	settledIndex  uint32
	settling      bool
	// settleRows is how many debts the next Settle takes on.
	settleRows int
	// lookupError is why the latest lookup failed, successes how many did not.
	lookupError error
	successes   uint64

	tx source.Tx
	// now is the latest commit time seen, in Unix nanoseconds: the clock by
	// which memory grows old.
	now int64
	// refreshed is when old rows were last looked up, by that clock; stale are
	// those for the next time.
	refreshed int64
	stale     map[needKey]bool
	txSeq     uint64
	// open tells that a transaction has begun and not ended; again that the
	// present one was cut short before.
	open, again bool
	batch       batch

	env plan.Env
	// conversation is the one that the event being made belongs to: whose row
	// and newest message an expression means, and whose workspace all that it
	// shows is of.
	conversation rowKey
	event        contract.Event
	out          []byte
	// idAt and statusAt are where out has the message's id and status.
	idAt, statusAt int
	cur, old       source.Row
	// partial tells that the source did not send all of the new row.
	partial bool
	// told is the remembered conversation that m.event tells of, if any.
	told *remembered
	// trying makes events only to learn what they lack: nothing is counted.
	trying bool
	// filledCut tells that the row that an event is made of next was filled from
	// one that is remembered shortened.
	filledCut bool
	other     []byte
}

// Emit takes one event, whose bytes are valid until it returns. An error stops the
// Mapper and is returned by the method that called it.
type Emit func(*contract.Event) error

// New returns a Mapper for spec that remembers nothing yet.
func New(spec *mapping.Spec, opts Options) *Mapper {
	m := &Mapper{
		tables: spec.Tables(), plan: spec.Plan(), opts: opts.withDefaults(),
		bindings:     map[*source.Relation]*binding{},
		warned:       map[string]bool{},
		stale:        map[needKey]bool{},
		unknownWords: map[string]*atomic.Uint64{},
	}
	for _, member := range m.plan.Counted {
		m.unknownWords[member] = &atomic.Uint64{}
	}
	m.memory.init(m.opts.RememberRows, m.opts.RememberBytes)
	m.settleRows = m.opts.BatchRows
	m.kept.init(m.opts.RememberKept)
	m.debts.init(m.opts.OwedRows, m.opts.OwedBytes)
	m.prints.init(len(m.tables[plan.MessageTable].Columns)+1, m.opts.RememberMessages)
	m.env.Init(m.opts.EventBytes)
	m.env.Find = m
	m.env.Tables = len(m.tables)
	m.env.Trusted = &m.trusted
	m.batch.base, m.batch.maxBytes = 1, m.opts.BatchBytes
	return m
}

func (m *Mapper) unknownWord(member string) {
	if n := m.unknownWords[member]; n != nil {
		n.Add(1)
	}
	does := "is sent as its fallback"
	if member == "message.status" {
		does = "makes no messageStatus (a new message has the fallback)"
	}
	m.warn(Warning{
		Reason: "unknown_word", Table: m.tables[plan.MessageTable].Schema + "." + m.tables[plan.MessageTable].Name,
		Detail: "a value of " + member + " is in no word list and " + does + ": add the word to the mapping's `words:`",
	}, member)
}

// Begin starts a transaction. One before it that did not come to its Commit,
// because the connection broke, comes again: what it changed in memory must
// not hide what it changes, so memory is dropped, and in its second coming
// whatever may have changed counts as changed.
func (m *Mapper) Begin(tx source.Tx) {
	m.again = m.open
	if m.open {
		m.forget()
	}
	m.open, m.repeated = true, tx.Commit <= m.lastCommit
	m.tx = tx
	if t := tx.Time.UnixNano(); !tx.Time.IsZero() && t > m.now {
		m.now = t
	}
	m.txSeq++
	m.shrink()
	m.batch.reset()
	m.batch.base = 1
}

// keepBuffer is the size up to which a buffer that a large row inflated is
// kept.
const keepBuffer = 1 << 20

func (m *Mapper) shrink() {
	for _, p := range []*[]byte{&m.out, &m.other, &m.env.Scratch} {
		if cap(*p) > keepBuffer {
			*p = nil
		}
	}
}

// Change maps one row's change. Events that need nothing looked up are emitted
// at once, others when the batch is complete, in order.
//
// A row that cannot be mapped is counted and warned of; the error is only
// ever one that emit returned.
func (m *Mapper) Change(c *source.Change, emit Emit) error {
	b := m.bind(c.Relation)
	index := m.batch.next(c.New)
	if !b.read {
		m.count(plan.TableID(plan.MaxTables), c.Op)
		m.skip(skipOther)
		return m.flushFull(emit)
	}
	m.count(b.table, c.Op)
	m.streamed[b.table] = true
	if c.Op != source.Truncate && b.lacking != "" {
		m.fail(failColumn, b.table, nil, b.lacking, "the table has no column "+b.lacking)
		return m.flushFull(emit)
	}
	if err := m.change(b, c, index, emit); err != nil {
		return err
	}
	err := m.flushFull(emit)
	if m.batch.bytes == 0 { // a row may have filled the batch by itself: the source's buffer is let go
		clear(m.cur)
		clear(m.old)
	}
	return err
}

func (m *Mapper) change(b *binding, c *source.Change, index uint32, emit Emit) error {
	switch c.Op {
	case source.Delete:
		m.deleted(b, c)
		return nil
	case source.Truncate:
		m.truncated(b.table)
		return nil
	case source.Insert, source.Update:
	default:
		return nil
	}
	m.cur, m.partial = b.project(m.cur, c.New, source.Unchanged)
	if c.Old != nil {
		m.old, _ = b.project(m.old, c.Old, source.Absent)
		if m.partial { // what comes of the old row counts for the batch as well
			sent := rowSize(m.cur)
			fill(m.cur, m.old)
			m.batch.bytes += rowSize(m.cur) - sent
		}
	} else {
		m.old = m.old[:0]
	}
	switch b.table {
	case plan.MessageTable:
		return m.messageChange(b, c.Op, index, emit)
	case plan.ConversationTable:
		return m.conversationChange(b, c.Op, index, emit)
	}
	m.referenceChange(b, c.Op)
	return nil
}

func (m *Mapper) count(t plan.TableID, op source.Op) {
	if op <= source.Truncate {
		m.counters.rows[t][op].Add(1)
	}
}

func (m *Mapper) skip(reason int) { m.counters.skipped[reason].Add(1) }

// flushFull ends the batch when it is full.
func (m *Mapper) flushFull(emit Emit) error {
	if m.batch.rows < uint32(m.opts.BatchRows) && m.batch.bytes < m.batch.maxBytes {
		return nil
	}
	return m.flush(emit)
}

// Commit ends the transaction: it emits the rows that waited for a lookup and
// the conversation events.
func (m *Mapper) Commit(emit Emit) error {
	err := m.flush(emit)
	if m.open = err != nil; !m.open {
		m.lastCommit = max(m.lastCommit, m.tx.Commit)
	}
	m.publishSizes()
	return err
}

// Forget drops what the Mapper remembers of rows: after a Gap it may be untrue.
// The values that rows had once (`kept:`) stay true, and stay.
// Messages that are owed are given up and counted, as their latest state is
// not known any more; conversations stay owed.
func (m *Mapper) Forget() {
	m.lastCommit = 0
	for _, d := range m.debts.all {
		if d.table == plan.MessageTable {
			m.abandon(d)
		}
	}
	m.forget()
	m.publishSizes()
}

func (m *Mapper) forget() {
	m.memory.clear()
	m.prints.init(m.prints.width, m.prints.limit)
	m.batch.reset()
	clear(m.stale)
}

// expiry is when a row that was looked up now has to be looked up again.
func (m *Mapper) expiry() int64 { return m.now + int64(m.opts.Refresh/time.Nanosecond) }
