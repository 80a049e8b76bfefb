package parser

import "bytes"

// Decoder puts packets and their attachments together. The zero value with limits
// set is ready; it belongs to one connection and is not for concurrent use.
type Decoder struct {
	// MaxAttachments bounds the attachments of one packet.
	MaxAttachments int
	// MaxBytes bounds the bytes of a packet with its attachments; zero is no
	// bound.
	MaxBytes int

	pending     *Packet
	attachments [][]byte
	size        int
}

// Text adds a text packet. ok tells that a packet is complete. A packet that waits
// for attachments, and these, are copied; others alias text.
func (d *Decoder) Text(text []byte) (p Packet, ok bool, err error) {
	if d.pending != nil {
		return Packet{}, false, ErrPacket
	}
	if p, err = Decode(text, d.MaxAttachments); err != nil {
		return Packet{}, false, err
	}
	if p.Attachments == 0 {
		return p, true, nil
	}
	if !validPlaceholders(p.Data, p.Attachments) {
		return Packet{}, false, ErrPacket
	}
	// A copy: p is the result, which the return below clears.
	pending := p
	pending.Data = bytes.Clone(p.Data)
	d.pending, d.size = &pending, len(pending.Data)
	return Packet{}, false, nil
}

// Binary adds a binary packet. With the last one the packet is complete; the
// attachments are the caller's to keep.
func (d *Decoder) Binary(data []byte) (p Packet, attachments [][]byte, ok bool, err error) {
	if d.pending == nil {
		return Packet{}, nil, false, ErrPacket
	}
	if d.size += len(data); d.MaxBytes > 0 && d.size > d.MaxBytes {
		return Packet{}, nil, false, ErrAttachments
	}
	d.attachments = append(d.attachments, bytes.Clone(data))
	if len(d.attachments) < d.pending.Attachments {
		return Packet{}, nil, false, nil
	}
	p, attachments = *d.pending, d.attachments
	d.pending, d.attachments, d.size = nil, nil, 0
	return p, attachments, true, nil
}
