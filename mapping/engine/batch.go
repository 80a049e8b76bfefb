package engine

import (
	"slices"

	"chatbridge/mapping/contract"
	"chatbridge/mapping/internal/plan"
	"chatbridge/source"
)

// batch is the part of a transaction that is mapped together: what its rows make
// that cannot be sent at once.
//
// Indexes: row i has rowIndexes of its own, from base+4i: for three messageStatus
// and a message. After those of all n rows come 2n for conversations: the ones that row i
// touched first have base+4n+2i and the next; a message that moves touches two. After
// them RelatedLimit for each row of a reference that changed. So an index depends on
// nothing but the rows before it.
type batch struct {
	base  uint32
	rows  uint32
	bytes int
	// maxRows and maxBytes are the sizes from which the batch is full.
	maxRows  uint32
	maxBytes int
	waiting  []waiting
	touched  []touched
	// byKey finds a touched conversation once there are more than a few.
	byKey map[RowKey]int
	// changed are the references whose change makes conversation events.
	changed []referenceKey
	// referenceRows counts the rows of references.
	referenceRows uint32
	// latest are the latest rows of messages that wait, nil for those deleted
	// since.
	latest map[RowKey]source.Row
}

const (
	// rowIndexes are the indexes of a row, messageIndex where a message comes after
	// messageStatus.
	rowIndexes   = messageIndex + 1
	messageIndex = 1 + plan.MaxNames
	// conversationIndexes are those of the conversations that a row touches first.
	conversationIndexes = 2
)

// waiting is an event that waits for a look-up, or for one before it that does.
// Its bytes are its own.
type waiting struct {
	// kind, index and row are what it is rendered from once the look-up was made;
	// an event with a payload has been rendered.
	kind  contract.Kind
	index uint32
	row   source.Row
	event contract.Event
	// of is the message whose other rows changed: it is sent again, as it is found.
	of *RowKey
}

// own copies a row, unless the batch is full with it: then the batch is mapped
// before Change returns, and the row's values are there until then.
func (b *batch) own(row source.Row) source.Row {
	if b.bytes >= b.maxBytes {
		return slices.Clone(row)
	}
	return cloneRow(row)
}

// wait lets an event of a row wait for a look-up.
func (b *batch) wait(kind contract.Kind, index uint32, key rowKey, row source.Row) {
	w := waiting{kind: kind, index: index, row: b.own(row)}
	b.waiting = append(b.waiting, w)
	if kind == contract.Typing {
		return
	}
	if b.latest == nil {
		b.latest = map[RowKey]source.Row{}
	}
	b.latest[key.owned()] = w.row
}

// update keeps the row of a message that waits as the stream has it.
func (b *batch) update(key rowKey, row source.Row) {
	if len(b.latest) == 0 {
		return
	}
	if _, waits := b.latest[key.owned()]; waits {
		b.latest[key.owned()] = b.own(row)
	}
}

// dropMessage notes that a message was deleted; anywhere: of whatever workspace.
func (b *batch) dropMessage(key rowKey, anywhere bool) {
	for latest := range b.latest {
		if latest.Key == string(key.key) && (anywhere || latest.Workspace == string(key.workspace)) {
			b.latest[latest] = nil
		}
	}
}

// touched is a conversation that a row of the batch concerns.
type touched struct {
	rowKey
	// first is its index after those of the rows: of the first row that touched it.
	first uint32
	// due tells that it gets an event; preview that it gets one if its newest message
	// is none later than previewOrder.
	due, preview bool
	previewOrder int64
}

// changedPreview notes that a message of that order was changed.
func (t *touched) changedPreview(order int64) {
	t.previewOrder = max(t.previewOrder, order)
	t.preview = true
}

func (b *batch) reset() {
	clear(b.waiting) // what they hold may be large
	clear(b.changed)
	b.waiting, b.touched, b.changed = b.waiting[:0], b.touched[:0], b.changed[:0]
	b.byKey, b.latest = nil, nil
	b.rows, b.bytes, b.referenceRows = 0, 0, 0
}

// next counts a row and returns the first of its indexes.
func (b *batch) next(row source.Row) uint32 {
	index := b.base + rowIndexes*b.rows
	b.rows++
	b.bytes += rowSize(row)
	return index
}

// isUpdate reports whether an index of a row is that of the message of an UPDATE.
func (b *batch) isUpdate(index uint32) bool { return (index-b.base)%rowIndexes == messageIndex }

func (b *batch) full() bool { return b.rows >= b.maxRows || b.bytes >= b.maxBytes }

// end starts the next batch of the transaction.
func (b *batch) end() {
	b.base = b.relatedIndex() + RelatedLimit*b.referenceRows
	b.reset()
}

// conversationIndex is the first index of conversations, relatedIndex that of the
// conversations of references.
func (b *batch) conversationIndex() uint32 { return b.base + rowIndexes*b.rows }

func (b *batch) relatedIndex() uint32 {
	return b.conversationIndex() + conversationIndexes*b.rows
}

// few is the number of conversations up to which they are compared one by one.
const few = 8

// touch notes that the present row concerns a conversation.
func (b *batch) touch(key rowKey, due bool) {
	t := b.touchAt(key, 0)
	t.due = t.due || due
}

// touchAt is touch of the row's first conversation, or of another one: place is
// below conversationIndexes. What it returns is valid until the next one.
func (b *batch) touchAt(key rowKey, place uint32) *touched {
	if i := b.find(key); i >= 0 {
		return &b.touched[i]
	}
	n := len(b.touched)
	if n < cap(b.touched) {
		b.touched = b.touched[:n+1] // its buffers are used again
	} else {
		b.touched = append(b.touched, touched{})
	}
	t := &b.touched[n]
	t.key, t.workspace = append(t.key[:0], key.key...), append(t.workspace[:0], key.workspace...)
	t.first, t.due, t.preview, t.previewOrder = conversationIndexes*(b.rows-1)+place, false, false, firstOrder
	if n+1 > few {
		if b.byKey == nil {
			b.byKey = map[RowKey]int{}
			for i := range b.touched {
				b.byKey[b.touched[i].owned()] = i
			}
		}
		b.byKey[key.owned()] = n
	}
	return t
}

// dropConversation takes the event of a deleted conversation back; anywhere: of
// whatever workspace.
func (b *batch) dropConversation(key rowKey, anywhere bool) {
	if !anywhere {
		if i := b.find(key); i >= 0 {
			b.touched[i].due, b.touched[i].preview = false, false
		}
		return
	}
	for i := range b.touched {
		if t := &b.touched[i]; string(t.key) == string(key.key) {
			t.due, t.preview = false, false
		}
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
