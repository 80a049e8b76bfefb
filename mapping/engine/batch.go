package engine

import (
	"slices"

	"chatbridge/mapping/contract"
	"chatbridge/mapping/internal/plan"
	"chatbridge/source"
)

// batch is the part of a transaction that is mapped together.
//
// Indexes: a row has two of its own, base+2i and base+2i+1. After those of all
// n rows come n for conversations: the one that the row i touched first has
// base+2n+i. After them RelatedLimit for each row of a reference that changed.
// So an index depends on nothing but the rows before it.
type batch struct {
	base  uint32
	rows  uint32
	bytes int
	// maxBytes is the size from which the batch is full.
	maxBytes int
	waiting  []waiting
	touched  []touched
	// byKey finds a touched conversation once there are more than a few.
	byKey map[RowKey]int
	// changed are the references whose change makes conversation events.
	changed []changedReference
	// related are the conversations that were found to point to them.
	related map[RowKey]bool
	// referenceRows counts the rows of references.
	referenceRows uint32
	need          need
	// asked is set once the batch's lookup was made; what is missing then
	// stays so. failed tells that the lookup failed.
	asked, failed bool
	// latest are the latest rows of messages that wait, nil for those deleted
	// since.
	latest map[RowKey]source.Row
}

// waiting is an event that waits for a lookup, or for one before it that does.
type waiting struct {
	ready bool
	event contract.Event // its bytes are its own
	kind  contract.Kind
	index uint32
	row   source.Row
}

// hold copies a row, unless the batch is full with it: then the batch is mapped
// before Change returns, and the row's values are there until then.
func (b *batch) hold(row source.Row) source.Row {
	if b.bytes >= b.maxBytes {
		return slices.Clone(row)
	}
	return cloneRow(row)
}

// wait lets an event of a row wait for a lookup.
func (b *batch) wait(kind contract.Kind, index uint32, key rowKey, row source.Row) {
	w := waiting{kind: kind, index: index, row: b.hold(row)}
	b.waiting = append(b.waiting, w)
	if kind == contract.Typing {
		return
	}
	if b.latest == nil {
		b.latest = map[RowKey]source.Row{}
	}
	b.latest[key.owned()] = w.row
}

// isRelated notes a conversation that points to a changed reference.
func (b *batch) isRelated(conversation rowKey) {
	if b.related == nil {
		b.related = map[RowKey]bool{}
	}
	b.related[conversation.owned()] = true
}

// touched is a conversation that a row of the batch concerns.
type touched struct {
	rowKey
	// first is the place in the batch of the first row that touched it.
	first uint32
	// due tells that it gets an event.
	due bool
}

type changedReference struct {
	table plan.TableID
	key   rowKey
}

func (b *batch) reset() {
	clear(b.waiting) // what they hold may be large
	clear(b.changed)
	b.waiting, b.touched, b.changed = b.waiting[:0], b.touched[:0], b.changed[:0]
	b.byKey = nil
	b.rows, b.bytes, b.referenceRows, b.asked, b.failed = 0, 0, 0, false, false
	b.latest, b.related = nil, nil
	b.need.reset()
}

// next counts a row and returns the first of its two indexes.
func (b *batch) next(row source.Row) uint32 {
	index := b.base + 2*b.rows
	b.rows++
	for i := range row {
		b.bytes += len(row[i].Data)
	}
	return index
}

// end starts the next batch of the transaction.
func (b *batch) end() {
	b.base += 3*b.rows + RelatedLimit*b.referenceRows
	b.reset()
}

// few is the number of conversations up to which they are compared one by one.
const few = 8

// touch notes that the present row concerns a conversation.
func (b *batch) touch(key rowKey, due bool) {
	if i := b.find(key); i >= 0 {
		b.touched[i].due = b.touched[i].due || due
		return
	}
	n := len(b.touched)
	if n < cap(b.touched) {
		b.touched = b.touched[:n+1] // its buffers are used again
	} else {
		b.touched = append(b.touched, touched{})
	}
	t := &b.touched[n]
	t.key, t.workspace = append(t.key[:0], key.key...), append(t.workspace[:0], key.workspace...)
	t.first, t.due = b.rows-1, due
	if n+1 > few {
		if b.byKey == nil {
			b.byKey = map[RowKey]int{}
			for i := range b.touched {
				b.byKey[b.touched[i].owned()] = i
			}
		}
		b.byKey[key.owned()] = n
	}
}

func (b *batch) find(key rowKey) int {
	if b.byKey != nil {
		if i, ok := b.byKey[RowKey{string(key.workspace), string(key.key)}]; ok {
			return i
		}
		return -1
	}
	for i := range b.touched {
		if b.touched[i].equal(key) {
			return i
		}
	}
	return -1
}

// need collects what is missing, each once.
type need struct {
	Need
	seen map[needKey]bool
}

type needKey struct {
	kind  uint8
	table plan.TableID
	key   RowKey
}

const (
	needConversation = iota
	needNewest
	needReference
	needRelated
	needMessage
)

func (n *need) reset() {
	if len(n.seen) > 0 {
		*n = need{}
	}
}

// add notes a key; false when it was noted before.
func (n *need) add(kind uint8, t plan.TableID, role string, key rowKey) bool {
	if n.asked(kind, t, key) {
		return false
	}
	if n.seen == nil {
		n.seen = map[needKey]bool{}
	}
	k := key.owned()
	n.seen[needKey{kind, t, k}] = true
	switch kind {
	case needConversation:
		n.Conversations = append(n.Conversations, k)
	case needNewest:
		n.Newest = append(n.Newest, k)
	case needReference:
		n.References = addReference(n.References, role, k)
	case needRelated:
		n.Related = addReference(n.Related, role, k)
	case needMessage:
		n.Messages = append(n.Messages, k)
	}
	return true
}

// asked tells that a key was noted.
func (n *need) asked(kind uint8, t plan.TableID, key rowKey) bool {
	return n.seen[needKey{kind, t, RowKey{string(key.workspace), string(key.key)}}]
}

func addReference(list []ReferenceNeed, role string, key RowKey) []ReferenceNeed {
	for i := range list {
		if list[i].Table == role {
			list[i].Keys = append(list[i].Keys, key)
			return list
		}
	}
	return append(list, ReferenceNeed{Table: role, Keys: []RowKey{key}})
}
