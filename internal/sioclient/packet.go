package sioclient

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
)

// kind is a Socket.IO packet's type (Socket.IO 5 protocol, Packet encoding).
type kind byte

const (
	kindConnect kind = iota
	kindDisconnect
	kindEvent
	kindAck
	kindConnectError
	kindBinaryEvent
	kindBinaryAck
)

// packet is one Socket.IO packet without the Engine.IO type before it.
type packet struct {
	kind        kind
	namespace   string // "" is "/"
	id          uint64
	hasID       bool
	attachments int
	data        json.RawMessage // aliases the input
}

// maxAttachments bounds what a server may announce.
const maxAttachments = 1000

var errPacket = errors.New("malformed packet")

// parsePacket reads `<type>[<n>-][/<namespace>,][<id>][data]`. It never
// panics; data aliases b.
func parsePacket(b []byte) (packet, error) {
	var p packet
	if len(b) == 0 || b[0] < '0' || b[0] > '6' {
		return p, errPacket
	}
	p.kind = kind(b[0] - '0')
	b = b[1:]
	if p.kind == kindBinaryEvent || p.kind == kindBinaryAck {
		digits, rest, ok := bytes.Cut(b, []byte{'-'})
		n, err := strconv.Atoi(string(digits))
		if !ok || err != nil || n < 0 || n > maxAttachments {
			return p, fmt.Errorf("%w: attachments", errPacket)
		}
		p.attachments, b = n, rest
	}
	if len(b) > 0 && b[0] == '/' {
		end := bytes.IndexByte(b, ',')
		if end < 0 {
			end = len(b)
		}
		p.namespace = string(b[:end])
		b = b[min(end+1, len(b)):]
	}
	digits := 0
	for digits < len(b) && b[digits] >= '0' && b[digits] <= '9' {
		digits++
	}
	if digits > 0 {
		id, err := strconv.ParseUint(string(b[:digits]), 10, 64)
		if err != nil {
			return p, fmt.Errorf("%w: id", errPacket)
		}
		p.id, p.hasID, b = id, true, b[digits:]
	}
	if len(b) > 0 {
		if !json.Valid(b) {
			return p, fmt.Errorf("%w: data", errPacket)
		}
		p.data = b
	}
	return p, nil
}

// appendPacket appends the packet as an Engine.IO message.
func appendPacket(dst []byte, p packet) []byte {
	dst = append(dst, '4', '0'+byte(p.kind))
	if p.namespace != "" && p.namespace != "/" {
		dst = append(append(dst, p.namespace...), ',')
	}
	if p.hasID {
		dst = strconv.AppendUint(dst, p.id, 10)
	}
	return append(dst, p.data...)
}

// parseArgs splits an event's or acknowledgement's data.
func parseArgs(data json.RawMessage) ([]json.RawMessage, error) {
	var args []json.RawMessage
	if err := json.Unmarshal(data, &args); err != nil {
		return nil, fmt.Errorf("%w: data is not a list", errPacket)
	}
	return args, nil
}
