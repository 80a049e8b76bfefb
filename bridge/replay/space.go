package replay

import (
	"time"

	"chatbridge/mapping"
	"chatbridge/socketio"
	"chatbridge/source"
)

// Space is one workspace's part of the Log.
type Space struct {
	// Workspace is the workspace's id.
	Workspace string

	refs    int
	entries ring[entry]
	// base is the sequence number of the oldest entry; the next one to be
	// appended has base + entries.len().
	base uint64
	// floor is the position of the last entry evicted.
	floor         source.Position
	conversations map[string]*conversation
	// statuses finds the newest messageStatus of a message.
	statuses map[string]*status
}

// conversation leads to its entries: last is the newest, and each entry names
// the one before it.
type conversation struct {
	id   string
	last uint64
	// update is the newest entry of Kind Conversation; valid if hasUpdate.
	update    uint64
	hasUpdate bool
}

// status leads to the newest messageStatus entry of a message.
type status struct {
	message string
	last    uint64
}

// entry is 56 bytes: a burst of 100,000 events is to cost little beside its
// packets.
type entry struct {
	position     source.Position
	at           int64 // of publication, in Unix nanoseconds
	packet       *socketio.Packet
	conversation *conversation
	status       *status // Kind MessageStatus only
	// back is how many entries before this one the conversation's previous
	// entry is; 0 for its first.
	back uint32
	kind mapping.Kind
	// superseded tells that a newer conversation or messageStatus event of
	// the same conversation or message makes this one unnecessary.
	superseded bool
}

func newSpace(workspace string, base uint64, floor source.Position) *Space {
	return &Space{
		Workspace:     workspace,
		base:          base,
		floor:         floor,
		conversations: make(map[string]*conversation),
		statuses:      make(map[string]*status),
	}
}

// Covers reports whether the Space holds every event after p.
func (s *Space) Covers(p source.Position) bool { return s.floor.Compare(p) <= 0 }

// Empty reports whether the Space holds no entry.
func (s *Space) Empty() bool { return s.entries.len() == 0 }

// Sequence returns the sequence number that the next entry will get. It
// orders what has been appended to this Space.
func (s *Space) Sequence() uint64 { return s.base + uint64(s.entries.len()) }

// after returns the sequence number of the first entry past p.
func (s *Space) after(p source.Position) uint64 {
	lo, hi := 0, s.entries.len()
	for lo < hi {
		if mid := (lo + hi) / 2; s.entries.at(mid).position.Compare(p) <= 0 {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	return s.base + uint64(lo)
}

func (s *Space) entry(seq uint64) *entry { return s.entries.at(int(seq - s.base)) }

func (s *Space) append(ev Event, now time.Time) {
	seq := s.Sequence()
	c := s.conversations[string(ev.Conversation)]
	e := entry{position: ev.Position, at: now.UnixNano(), packet: ev.Packet, kind: ev.Kind}
	if c == nil {
		c = &conversation{id: string(ev.Conversation)}
		s.conversations[c.id] = c
	} else {
		e.back = uint32(seq - c.last)
	}
	c.last = seq
	e.conversation = c
	switch ev.Kind {
	case mapping.Conversation:
		if c.hasUpdate {
			s.supersede(c.update)
		}
		c.update, c.hasUpdate = seq, true
	case mapping.MessageStatus:
		if e.status = s.statuses[string(ev.Message)]; e.status != nil {
			s.supersede(e.status.last)
		} else {
			e.status = &status{message: string(ev.Message)}
			s.statuses[e.status.message] = e.status
		}
		e.status.last = seq
	}
	s.entries.push(e)
}

func (s *Space) supersede(seq uint64) {
	if seq >= s.base {
		s.entry(seq).superseded = true
	}
}

// evict forgets the oldest entry and returns its packet's size in bytes.
func (s *Space) evict() int {
	e := s.entries.front()
	seq, size, c := s.base, e.packet.Size(), e.conversation
	if c.last == seq {
		delete(s.conversations, c.id)
	}
	if c.hasUpdate && c.update == seq {
		c.hasUpdate = false
	}
	if e.status != nil && e.status.last == seq {
		delete(s.statuses, e.status.message)
	}
	s.floor = e.position
	s.entries.pop()
	s.base++
	return size
}
