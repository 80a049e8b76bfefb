package cluster

import (
	"sort"
	"time"
)

// item is a record in the leader's backlog. text is shared with the packet for the leader's own
// clients.
type item struct {
	id   ID
	at   time.Time // of its publication, by our monotonic clock
	head []byte
	text []byte
}

func (i *item) size() int { return len(i.head) + len(i.text) }

// backlog is the leader's recent records, in the order of their IDs: all after floor. What was
// not appended yet stays unless a bound evicts it. It is guarded by Leader.mu.
type backlog struct {
	maxItems, maxBytes int
	items              []item // from first on
	first              int
	bytes              int
	floor              ID
}

func (b *backlog) len() int { return len(b.items) - b.first }

// newest returns the ID of the newest record, floor where there is none.
func (b *backlog) newest() ID {
	if b.len() == 0 {
		return b.floor
	}
	return b.items[len(b.items)-1].id
}

// add adds a record that comes after newest, and returns how many that evicted.
func (b *backlog) add(i item) (evicted int) {
	b.items = append(b.items, i)
	b.bytes += i.size()
	for b.len() > 1 && (b.len() > b.maxItems || b.bytes > b.maxBytes) {
		b.drop()
		evicted++
	}
	return evicted
}

// drop forgets the oldest record.
func (b *backlog) drop() {
	i := &b.items[b.first]
	b.floor = i.id
	b.bytes -= i.size()
	*i = item{}
	if b.first++; b.first > 1024 && b.first > len(b.items)/2 {
		n := copy(b.items, b.items[b.first:])
		clear(b.items[n:])
		b.items, b.first = b.items[:n], 0
	}
}

// expire forgets what was published before old and is not after appended.
func (b *backlog) expire(old time.Time, appended ID) {
	for b.len() > 0 {
		if i := &b.items[b.first]; i.at.After(old) || i.id.After(appended) {
			return
		}
		b.drop()
	}
}

// reset empties it; it holds what comes after floor from now on.
func (b *backlog) reset(floor ID) {
	b.items, b.first, b.bytes, b.floor = nil, 0, 0, floor
}

// after returns the records after an ID: as many as fit into size bytes, but one at
// least where there is any.
func (b *backlog) after(id ID, size int) []item {
	rest := b.items[b.first:]
	rest = rest[sort.Search(len(rest), func(i int) bool { return rest[i].id.After(id) }):]
	n := 0
	for ; n < len(rest); n++ {
		if size -= rest[n].size(); size < 0 && n > 0 {
			break
		}
	}
	return rest[:n]
}

// commits returns the commit positions of the transactions that have events after one ID up to
// another.
func (b *backlog) commits(after, to ID) (all []uint64) {
	rest := b.items[b.first:]
	for _, i := range rest[sort.Search(len(rest), func(i int) bool { return rest[i].id.After(after) }):] {
		if i.id.After(to) {
			break
		}
		all = appendCommit(all, RecordKind(i.head[0]), i.id)
	}
	return all
}

// count returns how many records come after an ID.
func (b *backlog) count(id ID) int {
	rest := b.items[b.first:]
	return len(rest) - sort.Search(len(rest), func(i int) bool { return rest[i].id.After(id) })
}
