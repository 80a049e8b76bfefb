package parser

import (
	"bytes"
	"encoding/json"
	"errors"
	"math"
)

var (
	// ErrPacket: the bytes are no Socket.IO packet.
	ErrPacket = errors.New("not a Socket.IO packet")
	// ErrAttachments: more attachments than allowed.
	ErrAttachments = errors.New("too many attachments")
)

// IsConnect reports whether a text packet is a CONNECT, if it is valid.
func IsConnect(text []byte) bool { return len(text) > 0 && text[0] == '0'+byte(Connect) }

// Decode decodes a text packet of at most maxAttachments attachments. It accepts
// and refuses what Node's decoder does, but for white space before the id and
// events without a payload, which no client sends.
func Decode(text []byte, maxAttachments int) (Packet, error) {
	if len(text) == 0 || text[0] < '0' || text[0] > '0'+byte(BinaryAck) {
		return Packet{}, ErrPacket
	}
	p := Packet{Type: Type(text[0] - '0'), Namespace: "/"}
	rest := text[1:]
	var err error
	if p.Type == BinaryEvent || p.Type == BinaryAck {
		if p.Attachments, rest, err = cutAttachments(rest, maxAttachments); err != nil {
			return Packet{}, err
		}
	}
	if len(rest) > 0 && rest[0] == '/' {
		namespace, after, _ := bytes.Cut(rest, []byte{','})
		p.Namespace, rest = string(namespace), after
	}
	if p.ID, p.HasID, rest, err = cutID(rest); err != nil {
		return Packet{}, err
	}
	if len(rest) > 0 {
		p.Data = json.RawMessage(rest[:len(rest):len(rest)])
	}
	if !validPayload(p.Type, p.Data) {
		return Packet{}, ErrPacket
	}
	return p, nil
}

// cutAttachments cuts the number of attachments and its dash off.
func cutAttachments(b []byte, limit int) (int, []byte, error) {
	n, digits := 0, 0
	for digits < len(b) && '0' <= b[digits] && b[digits] <= '9' {
		if n = n*10 + int(b[digits]-'0'); n > limit {
			return 0, nil, ErrAttachments
		}
		digits++
	}
	if n == 0 || digits == len(b) || b[digits] != '-' {
		return 0, nil, ErrPacket
	}
	return n, b[digits+1:], nil
}

// cutID cuts the acknowledgement id off.
func cutID(b []byte) (id uint64, has bool, rest []byte, err error) {
	i := 0
	for i < len(b) && '0' <= b[i] && b[i] <= '9' {
		if id > math.MaxUint64/10-1 {
			return 0, false, nil, ErrPacket
		}
		id = id*10 + uint64(b[i]-'0')
		i++
	}
	return id, i > 0, b[i:], nil
}

// validPayload reports whether data may be the payload of a packet of type t.
func validPayload(t Type, data []byte) bool {
	if len(data) == 0 {
		return t == Connect || t == Disconnect || t == Ack || t == BinaryAck
	}
	if !json.Valid(data) {
		return false
	}
	first := bytes.TrimLeft(data, " \t\r\n")[0]
	switch t {
	case Connect:
		return first == '{'
	case ConnectError:
		return first == '{' || first == '"'
	case Event, BinaryEvent, Ack, BinaryAck:
		return first == '['
	}
	return false // Disconnect has none
}
