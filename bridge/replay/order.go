package replay

import (
	"sort"

	"chatbridge/mapping/contract"
)

// order lists a Space's entries by their sequence numbers. Entries are evicted from the
// front of a conversation, wherever that is in the order; their slots here are skipped,
// and removed a block at a time.
type order struct {
	blocks []*orderBlock
	head   int // index of the first slot in blocks[0] whose entry may be there
	slots  int // number of slots, including those of evicted entries
	sweep  int // the block that is compacted next
}

// orderBlock holds up to orderLen slots, at least one unless it is being filled.
type orderBlock struct {
	n     int
	slots [orderLen]slot
}

const orderLen = 512

// slot names an entry by its conversation and its number in there, and tells whether it
// is a message: a reader passes over most messages, without looking at their entries.
type slot struct {
	seq    uint64
	conv   *conversation
	number uint64 // ordinal and, in the last bit, whether it is a message
}

func newSlot(seq uint64, conv *conversation, ordinal uint64, kind contract.Kind) slot {
	s := slot{seq: seq, conv: conv, number: ordinal << 1}
	if kind == contract.Message {
		s.number |= 1
	}
	return s
}

func (s *slot) ordinal() uint64 { return s.number >> 1 }
func (s *slot) message() bool   { return s.number&1 == 1 }

// entry returns the slot's entry, nil if it was evicted.
func (s *slot) entry() *entry { return s.conv.entry(s.ordinal()) }

func (o *order) push(s slot) {
	last := len(o.blocks) - 1
	if last < 0 || o.blocks[last].n == orderLen {
		o.blocks = append(o.blocks, new(orderBlock))
		last++
	}
	b := o.blocks[last]
	b.slots[b.n] = s
	b.n++
	o.slots++
}

// front returns the oldest slot whose entry is there, nil if none is. It drops
// the slots of evicted entries before that.
func (o *order) front() *slot {
	for len(o.blocks) > 0 {
		b := o.blocks[0]
		for ; o.head < b.n; o.head++ {
			if b.slots[o.head].entry() != nil {
				return &b.slots[o.head]
			}
			o.slots--
		}
		if b.n < orderLen && len(o.blocks) == 1 {
			b.n, o.head = 0, 0
			o.blocks = o.blocks[:0]
			return nil
		}
		o.remove(0)
		o.head = 0
	}
	return nil
}

func (o *order) remove(i int) {
	copy(o.blocks[i:], o.blocks[i+1:])
	o.blocks[len(o.blocks)-1] = nil
	o.blocks = o.blocks[:len(o.blocks)-1]
	if o.sweep > i {
		o.sweep--
	}
}

// compact takes the slots of evicted entries out of one block, and merges it with
// the block before if both fit into one. Each call takes the next block, so its cost
// does not depend on the size of the order.
func (o *order) compact() {
	if o.sweep >= len(o.blocks)-1 { // the last one is being filled
		o.sweep = 0
		if len(o.blocks) < 2 {
			return
		}
	}
	i := o.sweep
	b := o.blocks[i]
	from := 0
	if i == 0 {
		from, o.head = o.head, 0
	}
	kept := 0
	for j := from; j < b.n; j++ {
		if b.slots[j].entry() != nil {
			b.slots[kept] = b.slots[j]
			kept++
		}
	}
	o.slots -= b.n - from - kept
	clear(b.slots[kept:b.n])
	b.n = kept
	if i > 0 && o.blocks[i-1].n+kept <= orderLen || kept == 0 {
		if kept > 0 {
			before := o.blocks[i-1]
			copy(before.slots[before.n:], b.slots[:kept])
			before.n += kept
		}
		o.remove(i)
		return
	}
	o.sweep++
}

// firstFrom returns the oldest entry that is there in a block or a later one.
func (o *order) firstFrom(block int) *entry {
	for ; block < len(o.blocks); block++ {
		b := o.blocks[block]
		for i := range b.n {
			if e := b.slots[i].entry(); e != nil {
				return e
			}
		}
	}
	return nil
}

// lastBefore returns the newest entry that is there before slot index of a block, and
// not before slot firstIndex of firstBlock; nil for none.
func (o *order) lastBefore(block, index, firstBlock, firstIndex int) *entry {
	for ; block >= firstBlock; block-- {
		if block < len(o.blocks) {
			low := 0
			if block == firstBlock {
				low = firstIndex
			}
			for i := min(index, o.blocks[block].n) - 1; i >= low; i-- {
				if e := o.blocks[block].slots[i].entry(); e != nil {
					return e
				}
			}
		}
		index = orderLen
	}
	return nil
}

// find returns the place of the first slot with the sequence number seq or a
// later one.
func (o *order) find(seq uint64) (block, index int) {
	block = sort.Search(len(o.blocks), func(i int) bool { return o.blocks[i].slots[0].seq > seq })
	if block == 0 {
		return 0, o.head
	}
	block--
	b := o.blocks[block]
	index = sort.Search(b.n, func(i int) bool { return b.slots[i].seq >= seq })
	if index == b.n {
		return block + 1, 0
	}
	if block == 0 {
		index = max(index, o.head)
	}
	return block, index
}
