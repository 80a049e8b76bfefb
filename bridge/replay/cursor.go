package replay

import (
	"errors"

	"chatbridge/mapping"
	"chatbridge/socketio"
	"chatbridge/source"
)

// ErrEvicted is returned by Cursor.Next when entries that the reader had not
// read yet have left the Log: it was too slow, and has lost them.
var ErrEvicted = errors.New("replay: the reader fell behind the log")

// maxScan bounds the entries that one Next looks at, and so the time for
// which it holds its caller's lock (about 20 µs).
const maxScan = 2048

// Scope tells which events a Cursor passes on.
type Scope struct {
	// Messages passes Kind Message, of all conversations or of those only for
	// which Subscribed is true.
	Messages   bool
	Subscribed func(conversation string) bool
	// Everything passes superseded events too: what a returning client gets,
	// so that it has seen exactly what it would have seen live. Otherwise
	// only the newest conversation and messageStatus events are passed on.
	Everything bool
}

// Cursor is one reader's place in a Space.
type Cursor struct {
	space *Space
	next  uint64
	scope Scope
	// conversation limits the Cursor to one conversation; "" is all.
	conversation string
}

// FromStart reads all that the Space holds, and what comes after.
func (s *Space) FromStart(scope Scope) *Cursor {
	return &Cursor{space: s, next: s.base, scope: scope}
}

// From reads what has the sequence number seq or a later one.
func (s *Space) From(seq uint64, scope Scope) *Cursor {
	return &Cursor{space: s, next: seq, scope: scope}
}

// After reads what comes after p.
func (s *Space) After(p source.Position, scope Scope) *Cursor {
	return &Cursor{space: s, next: s.after(p), scope: scope}
}

// ConversationFrom reads one conversation's events of all kinds (superseded
// ones excepted) from the sequence number seq, or from the oldest entry if
// that is newer. The statuses must come along: a message of the window is
// repeated as it was inserted, and its newer status has to follow it.
func (s *Space) ConversationFrom(seq uint64, conversation string) *Cursor {
	return &Cursor{
		space: s, next: max(seq, s.base), conversation: conversation,
		scope: Scope{Messages: true},
	}
}

// Sequence returns the sequence number of what Next will look at first.
func (c *Cursor) Sequence() uint64 { return c.next }

// Next appends up to limit packets to dst. It reports atHead when there is
// nothing left to read and dst got nothing: the caller may then, still under
// its lock, let the reader go live. It may return neither packets nor atHead
// when it has only passed over others' events. Read on after releasing the
// lock in between.
func (c *Cursor) Next(dst []*socketio.Packet, limit int) (packets []*socketio.Packet, atHead bool, err error) {
	if c.next < c.space.base {
		return dst, false, ErrEvicted
	}
	if c.conversation != "" {
		before := len(dst)
		dst = c.nextOfConversation(dst, before+limit)
		return dst, len(dst) == before, nil
	}
	end := c.space.Sequence()
	if c.next == end {
		return dst, true, nil
	}
	full := len(dst) + limit
	for stop := min(end, c.next+maxScan); c.next < stop && len(dst) < full; c.next++ {
		if e := c.space.entry(c.next); c.passes(e) {
			dst = append(dst, e.packet)
		}
	}
	return dst, false, nil
}

func (c *Cursor) passes(e *entry) bool {
	if e.kind == mapping.Message {
		return c.scope.Messages && (c.scope.Subscribed == nil || c.scope.Subscribed(e.conversation.id))
	}
	return c.scope.Everything || !e.superseded
}

// nextOfConversation walks the conversation's chain back to the cursor and
// passes on the oldest of what it found.
func (c *Cursor) nextOfConversation(dst []*socketio.Packet, full int) []*socketio.Packet {
	conv := c.space.conversations[c.conversation]
	if conv == nil || conv.last < c.next {
		c.next = c.space.Sequence()
		return dst
	}
	var chain []uint64
	for seq := conv.last; ; {
		chain = append(chain, seq)
		e := c.space.entry(seq)
		if e.back == 0 || uint64(e.back) > seq-c.next {
			break
		}
		seq -= uint64(e.back)
	}
	for i := len(chain) - 1; i >= 0 && len(dst) < full; i-- {
		c.next = chain[i] + 1
		if e := c.space.entry(chain[i]); c.passes(e) {
			dst = append(dst, e.packet)
		}
	}
	return dst
}
