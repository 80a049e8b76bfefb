package replay

import (
	"slices"
	"time"

	"chatbridge/mapping/contract"
	"chatbridge/socketio"
	"chatbridge/source"
)

// Space is one workspace's part of the Log.
type Space struct {
	// Workspace is the workspace's id.
	Workspace string

	refs   int
	place  int // in Log.largest
	events int
	size   int64 // load
	order  order

	conversations map[string]*conversation
	// busiest has on top the conversation from which entries are evicted first.
	busiest heap[*conversation]
	// statuses finds the newest messageStatus of a message, by its own id.
	statuses map[string]*status

	lost uint64 // see Lost
	// states is the newest evicted conversation or messageStatus event.
	states Floor
	// newest is the newest evicted one of these that was not superseded.
	newest Floor
	// messages is the newest evicted message.
	messages Floor
	// forgotten is the latest conversation.messages of the conversations that are no
	// longer in the map.
	forgotten Floor
}

// conversation holds its entries, oldest first.
type conversation struct {
	id      string
	place   int // in Space.busiest
	size    int64
	base    uint64 // the number of entries.front()
	entries queue[entry]
	// update is the number of the newest entry of Kind Conversation, plus one;
	// 0 for none.
	update uint64
	// messages is the floor of all its entries but superseded ones.
	messages Floor
}

// entry returns the entry with a number, nil if it was evicted.
func (c *conversation) entry(ordinal uint64) *entry {
	if ordinal < c.base {
		return nil
	}
	return c.entries.at(int(ordinal - c.base))
}

func (c *conversation) load() int64    { return c.size }
func (c *conversation) setPlace(i int) { c.place = i }
func (s *Space) load() int64           { return s.size }
func (s *Space) setPlace(i int)        { s.place = i }

// status leads to the entries of a message's newest status: one for each of its ids, as
// far as they have been appended. They supersede the entries of an older status, under
// whichever id: clients take all ids for the same message, and one may read the log when
// only the first entry of the newer status has been appended.
type status struct {
	message string // its own id
	newest  []statusPlace
}

type statusPlace struct {
	conv    *conversation
	ordinal uint64
}

func (p statusPlace) entry() *entry { return p.conv.entries.at(int(p.ordinal - p.conv.base)) }

// supersede marks the entries as superseded by the one that is appended next, of the
// transaction commit. If again, that one is a status under another id: entries of its own
// transaction have the same status and stay.
func (st *status) supersede(commit uint64, again bool) {
	st.newest = slices.DeleteFunc(st.newest, func(p statusPlace) bool {
		e := p.entry()
		e.superseded = e.commit != commit || !again
		return e.superseded
	})
}

// evicted takes out the oldest entry of a conversation. It reports whether that was the
// last entry of the newest status.
func (st *status) evicted(c *conversation) bool {
	i := slices.Index(st.newest, statusPlace{c, c.base})
	if i < 0 {
		return false
	}
	st.newest = slices.Delete(st.newest, i, i+1)
	return len(st.newest) == 0
}

// entry is one event of the log. It takes 64 bytes, and its slot in the order 24: a burst
// of 100,000 events is to cost little beside its packets.
type entry struct {
	seq    uint64
	at     time.Duration // of publication, since the Log was made
	packet *socketio.Packet
	bare   *socketio.Packet // packet without its offset, of the same bytes; nil until somebody reads it
	status *status          // Kind MessageStatus only
	other  *otherName       // Kind Message only; nil where it has no other id
	commit uint64
	index  uint32
	kind   contract.Kind
	// superseded tells that a newer conversation or messageStatus event of
	// the same conversation or message makes this one unnecessary; see status.
	superseded bool
}

func (e *entry) position() source.Position {
	return source.Position{Commit: e.commit, Index: e.index}
}

func newSpace(workspace string, floor Floor) *Space {
	s := &Space{
		Workspace:     workspace,
		conversations: make(map[string]*conversation),
		statuses:      make(map[string]*status),
	}
	s.startAt(floor)
	return s
}

// startAt raises all floors to f: the Space holds nothing up to there.
func (s *Space) startAt(f Floor) {
	s.states, s.newest = s.states.Later(f), s.newest.Later(f)
	s.messages, s.forgotten = s.messages.Later(f), s.forgotten.Later(f)
}

// floor returns the Floor of all entries.
func (s *Space) floor() Floor { return s.states.Later(s.newest).Later(s.messages) }

// clearPositions resets the floors' positions, so that positions may restart.
func (s *Space) clearPositions() {
	for _, f := range []*Floor{&s.states, &s.newest, &s.messages, &s.forgotten} {
		f.Position = source.Position{}
	}
}

// Empty reports whether the Space holds no entry.
func (s *Space) Empty() bool { return s.events == 0 }

// compactEvery is the average number of entries appended for each block of the order that
// is compacted, once more than half of its slots are of evicted entries.
const compactEvery = 64

func (s *Space) append(ev Event, seq uint64, at time.Duration, size, weight int64) {
	e := entry{
		seq: seq, at: at, packet: ev.Packet, kind: ev.Kind,
		commit: ev.Position.Commit, index: ev.Position.Index,
	}
	c := s.conversations[string(ev.Conversation)]
	if c == nil {
		// What it lost before it was forgotten is no longer known.
		c = &conversation{id: string(ev.Conversation), messages: s.forgotten}
		s.conversations[c.id] = c
		s.busiest.add(c)
	}
	ordinal := c.base + uint64(c.entries.len())
	if len(ev.Other) > 0 {
		e.other = &otherName{id: string(ev.Other), again: ev.Again, created: ev.Created}
	}
	switch ev.Kind {
	case contract.Conversation:
		if c.update > c.base {
			c.entries.at(int(c.update - 1 - c.base)).superseded = true
		}
		c.update = ordinal + 1
	case contract.MessageStatus:
		own, again := ev.Message, len(ev.Of) > 0
		if again {
			own = ev.Of
		}
		if e.status = s.statuses[string(own)]; e.status == nil {
			e.status = &status{message: string(own)}
			s.statuses[e.status.message] = e.status
		}
		e.status.supersede(e.commit, again)
		e.status.newest = append(e.status.newest, statusPlace{c, ordinal})
	}
	c.entries.push(e)
	s.order.push(newSlot(seq, c, ordinal, ev.Kind))
	s.events++
	s.size += size + weight
	c.size += size + weight
	s.busiest.grown(c.place)
	if seq%compactEvery == 0 && s.order.slots > 2*s.events+orderLen {
		s.order.compact()
	}
}

// oldest returns the oldest entry, nil if there is none.
func (s *Space) oldest() *entry {
	if f := s.order.front(); f != nil {
		return f.entry()
	}
	return nil
}

// front returns the conversation of the oldest entry; there must be one.
func (s *Space) front() *conversation { return s.order.front().conv }

// evict forgets the oldest entry of c and returns its size in bytes.
func (s *Space) evict(c *conversation, weight int64) int64 {
	e := *c.entries.front()
	size := int64(e.packet.Size())
	if e.status != nil && e.status.evicted(c) {
		delete(s.statuses, e.status.message)
	}
	s.raiseFloors(c, &e)
	c.entries.pop()
	c.base++
	c.size -= size + weight
	s.size -= size + weight
	s.events--
	if c.entries.len() > 0 {
		s.busiest.shrunk(c.place)
		return size
	}
	s.busiest.remove(c.place)
	delete(s.conversations, c.id)
	s.forgotten = s.forgotten.Later(c.messages)
	return size
}

// raiseFloors raises the floors of an evicted entry's kind to it.
func (s *Space) raiseFloors(c *conversation, e *entry) {
	f := Floor{Seq: e.seq + 1, At: e.at, Position: e.position()}
	if e.kind != contract.Message {
		s.states = s.states.Later(f)
		if e.superseded {
			return
		}
		s.newest = s.newest.Later(f)
	} else {
		s.messages = s.messages.Later(f)
	}
	c.messages = c.messages.Later(f)
	s.lost++
}
