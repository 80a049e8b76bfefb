package realtime

import (
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"chatbridge/source"
	"chatbridge/source/realtime/readback"
)

// table is one followed table: its shape, what was published of it, and the
// state of its channel. Any goroutine may call its methods. mu and shape are
// never held together.
type table struct {
	name  string // schema.name
	topic string

	ledger *ledger

	// mu guards channel, which the session writes and Stats reads.
	mu      sync.Mutex
	channel ChannelStats

	// lastEvent is when the stream last delivered a change of this table, in
	// nanoseconds of Source.elapsed, 0 for never.
	lastEvent atomic.Int64
	// liveSince is since when the channel is subscribed, likewise, 0 while it
	// is not; deafAt when it was last rejoined because it delivered nothing.
	liveSince, deafAt          atomic.Int64
	deaf, streamed, reconciled atomic.Uint64
	// unreadable counts the rows that were left out because they cannot be read.
	unreadable atomic.Uint64
	// reconcilable tells that the table has a column to find changes by,
	// compared that it was compared once over the whole window.
	reconcilable, compared atomic.Bool
	// rowless tells that the last change came without its row.
	rowless atomic.Bool

	// shape guards what follows, which the stream's reader and the reconciler
	// both set.
	shape sync.Mutex
	conf  readback.Table
	// keyGiven tells that the configuration named the key.
	keyGiven  bool
	described bool
	rel       *source.Relation
}

func newTable(t readback.Table, maxRows int) *table {
	tb := &table{
		name:  t.String(),
		topic: "realtime:chatbridge-" + t.Schema + "-" + t.Name,
		conf:  t, keyGiven: len(t.Key) > 0,
		ledger: newLedger(maxRows),
	}
	if !tb.keyGiven {
		// Until Describe returns the primary key.
		tb.conf.Key = []string{"id"}
	}
	tb.channel.Table = tb.name
	tb.channel.State = ChannelDown
	return tb
}

// config returns the table's columns of interest as known now.
func (t *table) config() readback.Table {
	t.shape.Lock()
	defer t.shape.Unlock()
	return t.conf
}

// relation returns the relation with these columns, the one that was handed
// out last where nothing changed.
func (t *table) relation(columns []columnInfo) *source.Relation {
	t.shape.Lock()
	defer t.shape.Unlock()
	if t.rel != nil && sameColumns(t.rel.Columns, columns) {
		return t.rel
	}
	cols := make([]source.Column, len(columns))
	for i, c := range columns {
		cols[i] = source.Column{Name: c.Name, Type: c.Type}
	}
	t.setRelation(cols)
	return t.rel
}

// isDescribed reports whether a Reader returned the columns.
func (t *table) isDescribed() bool {
	t.shape.Lock()
	defer t.shape.Unlock()
	return t.described
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
	cs.Unreadable = t.unreadable.Load()
	cs.Rows, _, cs.Evicted = t.ledger.size()
	cs.Reconcilable = t.reconcilable.Load() || !t.isDescribed()
	return cs
}

// setShape sets what a Reader returned for the table. It reports false where the
// table has no column to find changes by.
func (t *table) setShape(s readback.Shape) bool {
	t.shape.Lock()
	defer t.shape.Unlock()
	if key := s.Key(); !t.keyGiven && len(key) > 0 && !slices.Equal(key, t.conf.Key) {
		t.conf.Key = key
		t.ledger.clear()
	}
	if !t.described {
		t.assumeColumns(s)
	}
	t.described = len(s.Columns) > 0
	for _, c := range []*string{&t.conf.Workspace, &t.conf.Conversation} {
		if t.described && !s.Has(*c) {
			*c = ""
		}
	}
	known := t.rel != nil && sameNames(t.rel.Columns, s.Columns)
	if len(s.Columns) > 0 && !known {
		t.setRelation(slices.Clone(s.Columns))
	}
	return t.conf.Created != "" || t.conf.Updated != ""
}

// assumeColumns fills in the columns that the configuration left open by their
// customary names.
func (t *table) assumeColumns(s readback.Shape) {
	if t.conf.Created == "" && t.conf.Updated == "" {
		if s.Has("created_at") {
			t.conf.Created = "created_at"
		}
		if s.Has("updated_at") {
			t.conf.Updated = "updated_at"
		}
	}
	if t.conf.Watch == nil {
		// Short columns that are filled in or changed after the insert.
		for _, c := range []string{"status", "external_id", "external_message_id", "media_url", "media_path"} {
			if s.Has(c) {
				t.conf.Watch = append(t.conf.Watch, c)
			}
		}
	}
}

// setRelation makes cols the table's relation. shape is held. The replica
// identity is always given as the default: Realtime does not tell it, a full
// old row may miss columns all the same (error 413, a delete under row level
// security), and of rows that were read back only little of the old one is
// known. What there is of an old row is sent along nevertheless.
func (t *table) setRelation(cols []source.Column) {
	for i := range cols {
		cols[i].Key = slices.Contains(t.conf.Key, cols[i].Name)
	}
	t.rel = &source.Relation{Schema: t.conf.Schema, Name: t.conf.Name, Identity: source.IdentityDefault, Columns: cols}
}

// current returns the newest relation, nil while none is known.
func (t *table) current() *source.Relation {
	t.shape.Lock()
	defer t.shape.Unlock()
	return t.rel
}

// matches reports whether a row read from the database has exactly the
// relation's columns.
func matches(rel *source.Relation, row readback.Row) bool {
	if rel == nil || len(rel.Columns) != len(row) {
		return false
	}
	for i := range rel.Columns {
		if _, ok := row[rel.Columns[i].Name]; !ok {
			return false
		}
	}
	return true
}

// sameKey reports whether both rows have the same key, or the old one none.
func (t *table) sameKey(rel *source.Relation, old, row source.Row) bool {
	for _, k := range t.config().Key {
		i := columnIndex(rel, k)
		if i >= 0 && old[i].Kind == source.Text && string(old[i].Data) != string(row[i].Data) {
			return false
		}
	}
	return true
}

func columnIndex(rel *source.Relation, name string) int {
	return slices.IndexFunc(rel.Columns, func(c source.Column) bool { return c.Name == name })
}

func sameColumns(have []source.Column, got []columnInfo) bool {
	return slices.EqualFunc(have, got, func(a source.Column, b columnInfo) bool {
		return a.Name == b.Name && a.Type == b.Type
	})
}

func sameNames(a, b []source.Column) bool {
	return slices.EqualFunc(a, b, func(a, b source.Column) bool { return a.Name == b.Name })
}

// tables is the followed tables. It does not change after New.
type tables struct {
	list   []*table
	byName map[string]*table
}

func (ts *tables) find(schema, name string) *table { return ts.byName[schema+"."+name] }

func (ts *tables) byTopic(topic string) *table {
	for _, t := range ts.list {
		if t.topic == topic {
			return t
		}
	}
	return nil
}
