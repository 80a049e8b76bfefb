package engineio

import "encoding/binary"

// Message is an encoded message, immutable but for its Watch and shared by any number of sessions:
// one text packet, then any number of binary packets, which reach each client
// together and in that order. Its frames are those of a server, which are not
// masked, so the same bytes go to every WebSocket.
type Message struct {
	frames []byte   // WebSocket frames, one for each packet; nil where it is cut
	text   []byte   // the text packet inside frames, or see Cut; nil if there is none
	binary [][]byte // the binary packets' data inside frames
	watch  *Watch   // nil where nothing watches it
}

// NewMessage encodes a message of text, unless that is nil, and attachments. Both
// are copied; text must be valid UTF-8.
func NewMessage(text []byte, attachments ...[]byte) *Message {
	return newMessage("4", text, attachments)
}

// Encode is NewMessage into a Message of the caller's, which must be zero.
func (m *Message) Encode(text []byte, attachments ...[]byte) { m.encode("4", text, attachments) }

// Cut encodes another message into m, which must be zero: its text up to n, and a closing
// bracket. It shares the other's bytes, and is put together when it is written. It reports
// false, and does nothing, for a message with attachments, for one that is cut, and for an
// n that is not within its text.
func (m *Message) Cut(of *Message, n int) bool {
	if n < 0 || n >= len(of.text) || of.cut() || of.text == nil || of.binary != nil {
		return false
	}
	m.text = of.text[: 1+n : 1+n]
	return true
}

// cutEnd is what follows the text of a message that is cut.
const cutEnd = ']'

// cut tells whether Cut has made m.
func (m *Message) cut() bool { return m.frames == nil && m.text != nil }

// Size returns the bytes that m takes in an outbound queue: those of its frames.
func (m *Message) Size() int {
	if m.cut() {
		n := len(m.text) + 1
		return frameHeaderSize(n) + n
	}
	return len(m.frames)
}

// appendFrames appends what is written to a WebSocket.
func (m *Message) appendFrames(dst []byte) []byte {
	if m.cut() {
		dst = appendFrameHeader(dst, opText, len(m.text)+1)
		return append(append(dst, m.text...), cutEnd)
	}
	return append(dst, m.frames...)
}

// appendText appends the text packet.
func (m *Message) appendText(dst []byte) []byte {
	dst = append(dst, m.text...)
	if m.cut() {
		dst = append(dst, cutEnd)
	}
	return dst
}

// packets returns the number of packets in m.
func (m *Message) packets() int {
	n := len(m.binary)
	if m.text != nil {
		n++
	}
	return n
}

// Text returns the data of the text packet, without its type. It must not be
// changed.
func (m *Message) Text() []byte {
	switch {
	case len(m.text) == 0:
		return nil
	case m.cut():
		return m.appendText(nil)[1:]
	}
	return m.text[1:]
}

// Attachments returns the binary packets. They must not be changed.
func (m *Message) Attachments() [][]byte { return m.binary }

// newMessage encodes the packet prefix+text, where the prefix begins with the
// packet's type.
func newMessage(prefix string, text []byte, attachments [][]byte) *Message {
	m := &Message{}
	m.encode(prefix, text, attachments)
	return m
}

func (m *Message) encode(prefix string, text []byte, attachments [][]byte) {
	n := len(prefix) + len(text)
	size := 0
	if text != nil {
		size = frameHeaderSize(n) + n
	}
	for _, a := range attachments {
		size += frameHeaderSize(len(a)) + len(a)
	}
	m.frames = make([]byte, 0, size)
	if text != nil {
		m.frames = appendFrameHeader(m.frames, opText, n)
		start := len(m.frames)
		m.frames = append(append(m.frames, prefix...), text...)
		m.text = m.frames[start:len(m.frames):len(m.frames)]
	}
	if len(attachments) > 0 {
		m.binary = make([][]byte, 0, len(attachments))
	}
	for _, a := range attachments {
		m.appendBinary(a)
	}
}

// appendBinary adds a binary packet; frames has the capacity for it.
func (m *Message) appendBinary(data []byte) {
	m.frames = appendFrameHeader(m.frames, opBinary, len(data))
	start := len(m.frames)
	m.frames = append(m.frames, data...)
	m.binary = append(m.binary, m.frames[start:len(m.frames):len(m.frames)])
}

// control returns a WebSocket control frame. A polling client gets nothing of it.
func control(op byte, data []byte) *Message {
	frames := appendFrameHeader(make([]byte, 0, 2+len(data)), op, len(data))
	return &Message{frames: append(frames, data...)}
}

// WebSocket opcodes (RFC 6455, section 5.2) with the FIN bit.
const (
	opText   = 0x81
	opBinary = 0x82
	opClose  = 0x88
	opPong   = 0x8a
)

// maxFrameHeader is the longest header of a frame that is not masked.
const maxFrameHeader = 10

func frameHeaderSize(n int) int {
	switch {
	case n < 126:
		return 2
	case n < 1<<16:
		return 4
	}
	return maxFrameHeader
}

// appendFrameHeader appends the header of an unmasked frame of n bytes.
func appendFrameHeader(dst []byte, op byte, n int) []byte {
	switch {
	case n < 126:
		return append(dst, op, byte(n))
	case n < 1<<16:
		return binary.BigEndian.AppendUint16(append(dst, op, 126), uint16(n))
	}
	return binary.BigEndian.AppendUint64(append(dst, op, 127), uint64(n))
}
