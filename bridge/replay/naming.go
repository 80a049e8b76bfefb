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
	// Other: what comes after Since goes under the other id, where it has one.
	Other bool
	Since source.Position
	// Created is when Since was, in microseconds since 1970: a row that was there
	// before goes under its own id also when it comes again after Since.
	Created int64
}

// Applies tells whether a message at a position goes under its other id; created is
// when its row was created, where again tells that the row was there before.
func (n *Naming) Applies(at source.Position, again bool, created int64) bool {
	return n.Other && at.Compare(n.Since) > 0 && (!again || created > n.Created)
}

// AppliesToRow tells the same of a message that is read from its row, created when that
// says, in microseconds since 1970.
func (n *Naming) AppliesToRow(created int64) bool { return n.Other && created > n.Created }

// otherName is what an entry of a message has of its other id. Its packets are made
// when somebody reads them, and counted with the entry.
type otherName struct {
	id           string
	again        bool
	created      int64
	packet, bare *socketio.Packet
}

// size is that of the packets.
func (o *otherName) size() (n int64) {
	for _, p := range []*socketio.Packet{o.packet, o.bare} {
		if p != nil {
			n += int64(p.Size())
		}
	}
	return n
}

// read returns an entry's packet as a reader is given it.
func (l *Log) read(s *Space, c *conversation, e *entry, naming *Naming, bare bool) *socketio.Packet {
	o := e.other
	if o == nil || !naming.Applies(e.position(), o.again, o.created) {
		if bare {
			return l.bare(s, c, e)
		}
		return e.packet
	}
	slot := &o.packet
	if bare {
		slot = &o.bare
	}
	if *slot == nil {
		p := Renamed(e.packet, o.id)
		if bare {
			p = p.WithoutLast()
		}
		if !l.count(s, c, p) {
			return p
		}
		*slot = p
	}
	return *slot
}

// count counts a packet that is kept with an entry. It reports false, and counts
// nothing, where there is no room.
func (l *Log) count(s *Space, c *conversation, p *socketio.Packet) bool {
	size := int64(p.Size())
	if l.bytes+size > l.opts.MaxBytes {
		return false
	}
	l.bytes += size
	s.size += size
	c.size += size
	s.busiest.grown(c.place)
	l.largest.grown(s.place)
	return true
}

// Renamed returns the packet of a message under another id.
func Renamed(p *socketio.Packet, id string) *socketio.Packet {
	text := p.Text()
	start := bytes.IndexByte(text, '{')
	b := append(make([]byte, 0, len(text)+len(id)), text[:start]...)
	return p.WithText(contract.Renamed(b, text[start:], []byte(id)))
}
