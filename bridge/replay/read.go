package replay

import (
	"slices"
	"sort"
	"time"

	"chatbridge/mapping/contract"
	"chatbridge/socketio"
	"chatbridge/source"
)

// maxScan bounds the entries that one Read visits, and so the time for which its
// caller holds the lock (about 30 µs).
const maxScan = 1024

// Scope tells which events a Read passes on.
type Scope struct {
	// Messages tells whether a conversation's message with that sequence number is
	// passed on.
	Messages func(conversation string, seq uint64) bool
	// Only, if not nil, has the conversations for which Messages may return true, at most
	// MaxOnly: reading skips the others' messages at a small part of the cost.
	Only []string
	// Bare: events up to this position are passed on without their offsets, because they
	// are read out of order, or the client claims to have received later ones.
	Bare source.Position
	// Naming tells under which id messages are passed on.
	Naming Naming
	// Everything passes superseded events on too: a returning client is to see what it
	// would have seen live. Otherwise only the newest conversation and messageStatus
	// events are passed on.
	Everything bool
}

// Place is how far a reader has come.
type Place struct {
	// Next is the sequence number from which it reads on.
	Next uint64
	// Position and At are those of the last event that the reader has passed; zero
	// before the first.
	Position source.Position
	At       time.Duration
}

// Read appends to dst the packets of s from p on and before the sequence number until,
// limit at most, and returns the new place. After maxScan entries it returns before
// until, perhaps without a packet: release the lock for a moment and read on.
func (l *Log) Read(s *Space, dst []*socketio.Packet, p Place, until uint64, limit int, scope Scope) ([]*socketio.Packet, Place) {
	only := s.only(scope.Only)
	seen, full := 0, len(dst)+limit
	firstBlock, firstIndex := s.order.find(p.Next)
	block, index, over := firstBlock, firstIndex, false
	next := max(p.Next, until)
read:
	for ; block < len(s.order.blocks); block, index = block+1, 0 {
		b := s.order.blocks[block]
		for ; index < b.n; index++ {
			slot := &b.slots[index]
			if slot.seq >= until {
				next = until
				break read
			}
			if seen == maxScan || len(dst) == full {
				next = slot.seq
				break read
			}
			seen++
			if only.without(slot) {
				over = true
				continue
			}
			e := slot.entry()
			if e == nil {
				continue
			}
			p.Position, p.At, over = e.position(), e.at, false
			if scope.passes(e, slot.conv.id) {
				dst = append(dst, l.read(slot, e, &scope.Naming, e.position().Compare(scope.Bare) <= 0))
			}
		}
	}
	if over {
		if e := s.order.lastBefore(block, index, firstBlock, firstIndex); e != nil {
			p.Position, p.At = e.position(), e.at
		}
	}
	p.Next = next
	return dst, p
}

// MaxOnly bounds Scope.Only.
const MaxOnly = 16

// only are the conversations of Scope.Only that the Space has.
type only struct {
	given bool
	n     int
	convs [MaxOnly]*conversation
}

func (s *Space) only(conversations []string) (o only) {
	o.given = conversations != nil
	for _, id := range conversations {
		if c := s.conversations[id]; c != nil {
			o.convs[o.n] = c
			o.n++
		}
	}
	return o
}

// without tells that a slot is a message of another conversation, without looking at it.
func (o *only) without(s *slot) bool {
	return o.given && s.message() && !slices.Contains(o.convs[:o.n], s.conv)
}

func (sc *Scope) passes(e *entry, conversation string) bool {
	if e.kind == contract.Message {
		return sc.Messages(conversation, e.seq)
	}
	return sc.Everything || !e.superseded
}

// ReadConversation is Read for one conversation, without offsets: it appends the
// conversation's unsuperseded events, those of Kind Message only if messages is set, and
// returns the sequence number from which to read on. The statuses must come along: a
// message of the window is repeated as it was inserted, and its newer status has to
// follow it.
func (l *Log) ReadConversation(s *Space, dst []*socketio.Packet, conversation string, next, until uint64, limit int, messages bool, naming Naming) ([]*socketio.Packet, uint64) {
	c := s.conversations[conversation]
	if c == nil {
		return dst, until
	}
	seen, full := 0, len(dst)+limit
	for i := sort.Search(c.entries.len(), func(i int) bool { return c.entries.at(i).seq >= next }); i < c.entries.len(); i++ {
		e := c.entries.at(i)
		if e.seq >= until {
			break
		}
		if seen == maxScan || len(dst) == full {
			return dst, e.seq
		}
		seen++
		if e.kind == contract.Message && messages || e.kind != contract.Message && !e.superseded {
			slot := newSlot(e.seq, c, c.base+uint64(i), e.kind)
			dst = append(dst, l.read(&slot, e, &naming, true))
		}
	}
	return dst, until
}

// After returns the sequence number of the first entry of s after p, or if there is none
// the one that the next entry gets.
func (l *Log) After(s *Space, p source.Position) uint64 {
	block := sort.Search(len(s.order.blocks), func(i int) bool {
		e := s.order.firstFrom(i)
		return e == nil || e.position().Compare(p) > 0
	})
	if block > 0 {
		block--
	}
	for ; block < len(s.order.blocks); block++ {
		b := s.order.blocks[block]
		for i := range b.n {
			if e := b.slots[i].entry(); e != nil && e.position().Compare(p) > 0 {
				return e.seq
			}
		}
	}
	return l.next
}

// First returns the position of the first entry of s that has the sequence number
// seq or a later one, or if there is none the position after the head: no entry read
// from seq on comes before that.
func (l *Log) First(s *Space, seq uint64) source.Position {
	block, index := s.order.find(seq)
	for ; block < len(s.order.blocks); block, index = block+1, 0 {
		for b := s.order.blocks[block]; index < b.n; index++ {
			if e := b.slots[index].entry(); e != nil {
				return e.position()
			}
		}
	}
	return source.Position{Commit: l.head.Commit, Index: l.head.Index + 1}
}

// Lost counts the entries evicted so far that a reader may miss. While the count stays
// the same, no Floor's Seq has risen except that of States.
func (s *Space) Lost() uint64 { return s.lost }

// States is the Floor of conversation and messageStatus events, including superseded
// ones.
func (s *Space) States() Floor { return s.states }

// Newest is the Floor of conversation and messageStatus events that were the
// newest of their conversation or message when they were evicted.
func (s *Space) Newest() Floor { return s.newest }

// Messages is the Floor of all messages.
func (s *Space) Messages() Floor { return s.messages }

// Missing is the Floor of all that a reader may miss: Newest and Messages.
func (s *Space) Missing() Floor { return s.newest.Later(s.messages) }

// ConversationMessages is the Floor of one conversation's messages and unsuperseded
// states. If nothing of the conversation is held, it is the common Floor of all
// conversations of which nothing is held.
func (s *Space) ConversationMessages(conversation string) Floor {
	if c := s.conversations[conversation]; c != nil {
		return c.messages
	}
	return s.forgotten
}
