package socketio

import (
	"bytes"
	"encoding/json"
	"sync"

	"chatbridge/internal/jsonscan"
	"chatbridge/socketio/engineio"
	"chatbridge/socketio/parser"
)

// Packet is an encoded packet, immutable, shared by all sockets and any log: it is
// encoded once, to the bytes that are sent.
type Packet struct {
	namespace string
	message   engineio.Message
}

// NewEvent encodes an event for a namespace ("" is "/"). Each of jsonArgs must be
// valid, compact JSON in valid UTF-8; they are copied. It allocates the packet and
// its bytes, nothing else.
func NewEvent(namespace, event string, jsonArgs ...[]byte) *Packet {
	return NewBinaryEvent(namespace, event, nil, jsonArgs...)
}

// NewBinaryEvent is NewEvent with attachments, to which placeholders in jsonArgs
// refer by index: {"_placeholder":true,"num":0}.
func NewBinaryEvent(namespace, event string, attachments [][]byte, jsonArgs ...[]byte) *Packet {
	return newPacket(parser.Packet{Type: parser.Event, Namespace: namespace}, event, attachments, jsonArgs)
}

// Size returns the bytes it takes in an outbound queue.
func (p *Packet) Size() int { return p.message.Size() }

// Watch has w told when the packet is put in sockets' queues and written. Call it before
// the packet is sent to anybody.
func (p *Packet) Watch(w *engineio.Watch) { p.message.Watch(w) }

// Watched returns what Watch was given, nil for nothing.
func (p *Packet) Watched() *engineio.Watch { return p.message.Watched() }

// scratch has the buffers in which packets are encoded.
var scratch = sync.Pool{New: func() any { return new([]byte) }}

// newPacket encodes an event (with its name) or an acknowledgement (without).
func newPacket(p parser.Packet, event string, attachments, jsonArgs [][]byte) *Packet {
	if p.Namespace == "" {
		p.Namespace = "/"
	}
	if p.Attachments = len(attachments); p.Attachments > 0 {
		if p.Type == parser.Event {
			p.Type = parser.BinaryEvent
		} else {
			p.Type = parser.BinaryAck
		}
	}
	buffer := scratch.Get().(*[]byte)
	b := append(parser.Append((*buffer)[:0], p), '[')
	if event != "" {
		b = appendString(b, event)
	}
	for _, a := range jsonArgs {
		if b[len(b)-1] != '[' {
			b = append(b, ',')
		}
		b = append(b, a...)
	}
	b = append(b, ']')
	packet := &Packet{namespace: p.Namespace}
	packet.message.Encode(b, attachments...)
	keepScratch(buffer, b)
	return packet
}

// keepScratch gives a buffer back that has grown to b, unless it is large.
func keepScratch(buffer *[]byte, b []byte) {
	if cap(b) <= 64<<10 {
		*buffer = b
		scratch.Put(buffer)
	}
}

// WithoutLast returns the packet without its last argument, which must be a string
// that needs no escape, such as an offset: a packet that is sent out of order has
// none. It shares p's bytes, unless p has attachments.
func (p *Packet) WithoutLast() *Packet {
	text := p.message.Text()
	i := bytes.LastIndex(text, []byte(`,"`))
	shared := &Packet{namespace: p.namespace}
	if shared.message.Cut(&p.message, i) {
		return shared
	}
	buffer := scratch.Get().(*[]byte)
	b := append(append((*buffer)[:0], text[:i]...), ']')
	out := p.WithText(b)
	keepScratch(buffer, b)
	return out
}

// WithText returns the packet with another text, which must be one of a packet of the
// same type, namespace and attachments; it is copied.
func (p *Packet) WithText(text []byte) *Packet {
	out := &Packet{namespace: p.namespace}
	out.message.Encode(text, p.message.Attachments()...)
	return out
}

// appendString appends s as a JSON string.
func appendString(dst []byte, s string) []byte {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c == '"' || c == '\\' || c >= 0x7f {
			quoted, _ := jsonscan.Marshal(s) // a string can be encoded
			return append(dst, quoted...)
		}
	}
	return append(append(append(dst, '"'), s...), '"')
}

// encodeArgs encodes arguments as JSON, with those of type []byte as attachments.
func encodeArgs(args []any) (jsonArgs, attachments [][]byte, err error) {
	for _, a := range args {
		var b []byte
		switch a := a.(type) {
		case json.RawMessage:
			if !json.Valid(a) {
				return nil, nil, errInvalidJSON
			}
			b = compact(a)
		case []byte:
			b, err = jsonscan.Marshal(placeholder{Placeholder: true, Num: len(attachments)})
			attachments = append(attachments, a)
		default:
			b, err = jsonscan.Marshal(a)
		}
		if err != nil {
			return nil, nil, err
		}
		jsonArgs = append(jsonArgs, b)
	}
	return jsonArgs, attachments, nil
}

type placeholder struct {
	Placeholder bool `json:"_placeholder"`
	Num         int  `json:"num"`
}

// compact returns b as one line.
func compact(b []byte) []byte {
	if !bytes.ContainsAny(b, "\n\r\t ") {
		return b
	}
	var out bytes.Buffer
	if err := json.Compact(&out, b); err != nil {
		return b // it is valid JSON, so there is none
	}
	return out.Bytes()
}

// Text returns the packet as text, without attachments. It must not be changed.
func (p *Packet) Text() []byte { return p.message.Text() }
