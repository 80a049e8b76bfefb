package realtime

import (
	"sync"
	"sync/atomic"
	"time"

	"chatbridge/source"
	"chatbridge/source/readback"
	"chatbridge/source/reconcile"
)

// table is one followed table and the state of its channel. Any goroutine may call
// its methods.
type table struct {
	*reconcile.Table
	topic string

	// mu guards channel, which the session writes and Stats reads.
	mu      sync.Mutex
	channel ChannelStats

	// lastEvent is when the stream last delivered a change of this table, in
	// nanoseconds of clock.Elapsed, 0 for never.
	lastEvent atomic.Int64
	// liveSince is since when the channel is subscribed, likewise, 0 while it
	// is not; deafAt when it was last rejoined because it delivered nothing.
	liveSince, deafAt          atomic.Int64
	deaf, streamed, reconciled atomic.Uint64
	// reconcilable tells that the table has a column to find changes by,
	// compared that it was compared once over the whole window.
	reconcilable, compared atomic.Bool
	// rowless tells that the last change came without its row.
	rowless atomic.Bool
}

func newTable(t readback.Table, maxRows int) *table {
	tb := &table{Table: reconcile.NewTable(t, maxRows), topic: "realtime:chatbridge-" + t.Schema + "-" + t.Name}
	tb.channel.Table = tb.Name
	tb.channel.State = ChannelDown
	return tb
}

// relation returns the relation with these columns.
func (t *table) relation(columns []columnInfo) *source.Relation {
	cols := make([]source.Column, len(columns))
	for i, c := range columns {
		cols[i] = source.Column{Name: c.Name, Type: c.Type}
	}
	return t.Relation(cols)
}

// setChannel sets the channel's state and reports whether it changed.
func (t *table) setChannel(st ChannelState, errText string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	changed := t.channel.State != st || t.channel.Error != errText
	if t.channel.State != st {
		t.channel.State, t.channel.Since = st, time.Now()
	}
	t.channel.Error = errText
	return changed
}

// channelError returns the last refusal.
func (t *table) channelError() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.channel.Error
}

func (t *table) setChannelError(text string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.channel.Error = text
}

// setRowError notes that the server sends the table's changes without rows,
// or, empty, that it does not; it reports whether that changed.
func (t *table) setRowError(text string) bool {
	if text == "" && !t.rowless.Load() {
		return false
	}
	t.rowless.Store(text != "")
	t.mu.Lock()
	defer t.mu.Unlock()
	changed := t.channel.Error != text
	t.channel.Error = text
	return changed
}

func (t *table) countJoin() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.channel.Joins++
}

func (t *table) confirmed() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.channel.Subscribed = time.Now()
}

// stats returns a snapshot of all but LastChange.
func (t *table) stats() ChannelStats {
	t.mu.Lock()
	cs := t.channel
	t.mu.Unlock()
	cs.Deaf, cs.Streamed, cs.Reconciled = t.deaf.Load(), t.streamed.Load(), t.reconciled.Load()
	cs.Unreadable = t.Unreadable.Load()
	cs.Rows, _, cs.Evicted = t.Ledger.Size()
	cs.Reconcilable = t.reconcilable.Load() || !t.IsDescribed()
	return cs
}

// sameKey reports whether both rows have the same key, or the old one none.
func (t *table) sameKey(rel *source.Relation, old, row source.Row) bool {
	for _, k := range t.Config().Key {
		i := reconcile.ColumnIndex(rel, k)
		if i >= 0 && old[i].Kind == source.Text && string(old[i].Data) != string(row[i].Data) {
			return false
		}
	}
	return true
}

// tables is the followed tables. It does not change after New.
type tables struct {
	list   []*table
	byName map[string]*table
}

// compared returns the tables as they are compared.
func (ts *tables) compared() []*reconcile.Table {
	list := make([]*reconcile.Table, len(ts.list))
	for i, t := range ts.list {
		list[i] = t.Table
	}
	return list
}

// of returns the followed table of one that is compared.
func (ts *tables) of(t *reconcile.Table) *table { return ts.byName[t.Name] }

func (ts *tables) find(schema, name string) *table { return ts.byName[schema+"."+name] }

func (ts *tables) byTopic(topic string) *table {
	for _, t := range ts.list {
		if t.topic == topic {
			return t
		}
	}
	return nil
}
