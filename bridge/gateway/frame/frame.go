package frame

import (
	"bufio"
	"encoding/binary"
	"errors"
	"io"
)

// Opcodes and bits of RFC 6455, 5.2, as far as they matter here.
const (
	opText  = 1
	finBit  = 0x80
	maskBit = 0x80
)

// ErrTooLarge is a frame past the caller's limit; nothing of it has been read.
var ErrTooLarge = errors.New("frame exceeds the limit")

// Frame is one WebSocket frame.
type Frame struct {
	Raw     []byte // as it came, header and mask included
	Payload []byte // unmasked; aliases Raw where there is no mask
	Fin     bool   // the last frame of its message
	op      byte
}

// IsText reports whether the frame is a complete text message.
func (f Frame) IsText() bool { return f.op == opText && f.Fin }

// IsData reports whether the frame belongs to a message rather than being a
// control frame (RFC 6455, 5.5).
func (f Frame) IsData() bool { return f.op < 8 }

// Read reads one frame into memory of its own. One whose payload exceeds limit,
// in bytes, is left unread, with ErrTooLarge. r's buffer must have at least 14
// bytes, the longest header.
func Read(r *bufio.Reader, limit int) (Frame, error) {
	head, err := r.Peek(2)
	if err != nil {
		return Frame{}, err
	}
	f := Frame{op: head[0] & 0x0f, Fin: head[0]&finBit != 0}
	masked := head[1]&maskBit != 0
	size := headerSize(head[1])
	if head, err = r.Peek(size); err != nil {
		return Frame{}, err
	}
	length := payloadLength(head)
	if length > uint64(limit) {
		return Frame{}, ErrTooLarge
	}
	f.Raw = make([]byte, size+int(length))
	if _, err := io.ReadFull(r, f.Raw); err != nil {
		return Frame{}, err
	}
	f.Payload = f.Raw[size:]
	if masked {
		f.Payload = unmask(f.Payload, f.Raw[size-4:size])
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

// AppendText appends an unmasked text frame, as a server sends it.
func AppendText(dst, payload []byte) []byte {
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
