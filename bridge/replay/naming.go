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
// are made when somebody reads them, and counted with the entry.
type otherName struct {
	id           string
	again        bool
	created      int64
	packet, bare *socketio.Packet
}

// size returns the sum of the packets' sizes, in bytes.
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

// count adds a packet that is to be kept with an entry to the sums. It reports false,
// and adds nothing, if that would exceed Options.MaxBytes.
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
