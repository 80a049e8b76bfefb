package engineio

import (
	"bytes"
	"encoding/base64"
	"errors"
	"unicode/utf8"
)

// PacketType is the first byte of a text packet, minus '0' (Engine.IO 4 protocol,
// Packet encoding).
type PacketType uint8

// The packet types of the protocol.
const (
	PacketOpen PacketType = iota
	PacketClose
	PacketPing
	PacketPong
	PacketMessage
	PacketUpgrade
	PacketNoop
)

// ErrPacket: the bytes are no Engine.IO packet.
var ErrPacket = errors.New("not an Engine.IO packet")

// Packet is a decoded packet.
type Packet struct {
	Type PacketType
	// Data is the rest of the packet. It aliases the input unless the packet was
	// base64 text.
	Data []byte
	// Binary is set for a binary message.
	Binary bool
}

// DecodePacket decodes one text packet: a text frame, or an element of a polling
// payload. "b" and base64 is a binary message. The text must be valid UTF-8: it
// may be forwarded to other clients, and a browser closes its connection when it
// gets an invalid text frame.
func DecodePacket(text []byte) (Packet, error) {
	if len(text) == 0 {
		return Packet{}, ErrPacket
	}
	if text[0] == 'b' {
		data, err := decodeBase64(text[1:])
		if err != nil {
			return Packet{}, ErrPacket
		}
		return Packet{Type: PacketMessage, Data: data, Binary: true}, nil
	}
	t := PacketType(text[0] - '0')
	if t > PacketNoop || !utf8.Valid(text) {
		return Packet{}, ErrPacket
	}
	return Packet{Type: t, Data: text[1:len(text):len(text)]}, nil
}

// decodeBase64 decodes base64 of either alphabet, with all, some or none of its padding,
// as Node does.
func decodeBase64(text []byte) ([]byte, error) {
	for range 2 {
		text = bytes.TrimSuffix(text, []byte{'='})
	}
	encoding := base64.RawStdEncoding
	if bytes.ContainsAny(text, "-_") {
		encoding = base64.RawURLEncoding
	}
	data := make([]byte, encoding.DecodedLen(len(text)))
	n, err := encoding.Decode(data, text)
	return data[:n], err
}

// separator stands between the packets of a polling payload.
const separator = '\x1e'
