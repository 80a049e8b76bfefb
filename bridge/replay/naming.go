package replay

import (
	"bytes"

	"chatbridge/mapping/contract"
	"chatbridge/socketio"
	"chatbridge/source"
)

// Naming tells under which of its two ids a reader is given a message. The zero
// Naming gives all under their own.
type Naming struct {
	// Other: a message after Since goes under its other id, if it has one.
	Other bool
	Since source.Position
	// Created is the time of Since, in microseconds since 1970: a row that existed by
	// then goes under its own id, even when it comes again after Since.
	Created int64
}

// Applies tells whether a message at a position goes under its other id. again and
// created are as in Event.
func (n *Naming) Applies(at source.Position, again bool, created int64) bool {
	return n.Other && at.Compare(n.Since) > 0 && (!again || created > n.Created)
}

// AppliesToRow tells the same of a message that is read from its row; created is when
// the row was created, in microseconds since 1970.
func (n *Naming) AppliesToRow(created int64) bool { return n.Other && created > n.Created }

// otherName is the other id of an entry's message, with the packets under that id. They
// are made when somebody reads them, counted while they are kept, and dropped before an
// event is evicted for want of room. bare shares packet's bytes.
type otherName struct {
	id           string
	again        bool
	created      int64
	packet, bare *socketio.Packet
}

// read returns an entry's packet as a reader is given it.
func (l *Log) read(slot *slot, e *entry, naming *Naming, bare bool) *socketio.Packet {
	packet, without := e.packet, &e.bare
	if o := e.other; o != nil && naming.Applies(e.position(), o.again, o.created) {
		if packet, without = o.packet, &o.bare; packet == nil {
			if packet = Renamed(e.packet, o.id); !l.keep(slot, o, packet) {
				without = new(*socketio.Packet)
			}
		}
	}
	if !bare {
		return packet
	}
	if *without == nil {
		*without = packet.WithoutLast()
	}
	return *without
}

// copied is an entry for which a packet was made.
type copied struct {
	conv    *conversation
	ordinal uint64
}

// entry returns nil once the entry has been evicted.
func (c *copied) entry() *entry { return c.conv.entry(c.ordinal) }

// keep keeps a message's packet under its other id. It reports false, and keeps nothing,
// if that would exceed Options.MaxBytes.
func (l *Log) keep(s *slot, o *otherName, p *socketio.Packet) bool {
	size := int64(p.Size())
	if l.bytes+l.copies.bytes+size > l.opts.MaxBytes {
		return false
	}
	o.packet = p
	l.copies.bytes += size
	l.copies.made.push(copied{s.conv, s.ordinal()})
	return true
}

// copies are the packets under other ids.
type copies struct {
	made  queue[copied] // oldest first, perhaps of entries that have been evicted
	bytes int64
}

// drop drops what was made for an entry.
func (c *copies) drop(e *entry) {
	if o := e.other; o != nil && o.packet != nil {
		c.bytes -= int64(o.packet.Size())
		o.packet, o.bare = nil, nil
	}
}

// dropOldest drops what was made first of what there is, if there is any.
func (c *copies) dropOldest() {
	if e := c.made.front().entry(); e != nil {
		c.drop(e)
	}
	c.made.pop()
}

// forgetAtOnce bounds how many evicted entries are forgotten for each that is evicted:
// one that is there may have kept any number of them.
const forgetAtOnce = 8

// forget forgets evicted entries.
func (c *copies) forget() {
	for range forgetAtOnce {
		if c.made.len() == 0 || c.made.front().entry() != nil {
			return
		}
		c.made.pop()
	}
}

// Renamed returns the packet of a message under another id.
func Renamed(p *socketio.Packet, id string) *socketio.Packet {
	text := p.Text()
	start := bytes.IndexByte(text, '{')
	b := append(make([]byte, 0, len(text)+len(id)), text[:start]...)
	return p.WithText(contract.Renamed(b, text[start:], []byte(id)))
}
