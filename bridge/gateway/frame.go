package gateway

import (
	"bufio"
	"encoding/binary"
	"errors"
	"io"
)

// Opcodes of RFC 6455, 5.2, as far as they matter here.
const (
	opText = 1
	finBit = 0x80
)

// errLarge is a frame past the caller's limit; nothing of it has been read.
var errLarge = errors.New("frame exceeds the limit")

// frame is one WebSocket frame.
type frame struct {
	raw     []byte // as it came, header and mask included
	op      byte
	fin     bool
	payload []byte // unmasked; aliases raw where there is no mask
}

// text tells whether the frame is a whole text message.
func (f frame) text() bool { return f.op == opText && f.fin }

// data tells whether the frame belongs to a message rather than being a
// control frame (RFC 6455, 5.5).
func (f frame) data() bool { return f.op < 8 }

// readFrame reads one frame into memory of its own. One of more than limit
// bytes is left unread, with errLarge. r must hold 14 bytes, the longest header.
func readFrame(r *bufio.Reader, limit int) (frame, error) {
	head, err := r.Peek(2)
	if err != nil {
		return frame{}, err
	}
	f := frame{op: head[0] & 0x0f, fin: head[0]&finBit != 0}
	masked := head[1]&0x80 != 0
	size, short := 2, head[1]&0x7f
	switch short {
	case 126:
		size += 2
	case 127:
		size += 8
	}
	lengthEnd := size
	if masked {
		size += 4
	}
	if head, err = r.Peek(size); err != nil {
		return frame{}, err
	}
	length := uint64(short)
	switch short {
	case 126:
		length = uint64(binary.BigEndian.Uint16(head[2:]))
	case 127:
		length = binary.BigEndian.Uint64(head[2:])
	}
	if length > uint64(limit) {
		return frame{}, errLarge
	}
	f.raw = make([]byte, size+int(length))
	if _, err := io.ReadFull(r, f.raw); err != nil {
		return frame{}, err
	}
	f.payload = f.raw[size:]
	if masked {
		f.payload = unmask(f.payload, f.raw[lengthEnd:size])
	}
	return f, nil
}

func unmask(payload, key []byte) []byte {
	out := make([]byte, len(payload))
	for i, b := range payload {
		out[i] = b ^ key[i&3]
	}
	return out
}

// appendText appends an unmasked text frame, as a server sends it.
func appendText(dst, payload []byte) []byte {
	dst = append(dst, finBit|opText)
	switch n := len(payload); {
	case n < 126:
		dst = append(dst, byte(n))
	case n < 1<<16:
		dst = append(dst, 126)
		dst = binary.BigEndian.AppendUint16(dst, uint16(n))
	default:
		dst = append(dst, 127)
		dst = binary.BigEndian.AppendUint64(dst, uint64(n))
	}
	return append(dst, payload...)
}
