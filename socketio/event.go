package socketio

import (
	"bytes"
	"encoding/json"
	"sync/atomic"

	"chatbridge/socketio/parser"
)

// Event is one event of a client. It and its members stay valid after the callback.
type Event struct {
	// Name is the first element of the event's array.
	Name string
	// Args are the others, valid JSON, 255 at most. A binary argument is the placeholder
	// {"_placeholder":true,"num":0}, an index into Attachments.
	Args []json.RawMessage
	// Attachments are the binary arguments.
	Attachments [][]byte

	socket *Socket
	id     uint64
	wanted atomic.Bool // an acknowledgement, and it was not sent yet
}

// maxElements bounds an event's name and arguments: each takes 24 bytes, and may be
// sent with two.
const maxElements = 256

// newEvent returns the event of a packet; false means that it has no valid name, or
// too many arguments.
func newEvent(s *Socket, p parser.Packet, attachments [][]byte) (*Event, bool) {
	elements, ok := parser.Elements(bytes.Clone(p.Data), maxElements)
	if !ok || len(elements) == 0 {
		return nil, false
	}
	name, ok := parser.EventName(elements[0])
	if !ok {
		return nil, false
	}
	e := &Event{Name: name, Args: elements[1:], Attachments: attachments, socket: s, id: p.ID}
	e.wanted.Store(p.HasID)
	return e, true
}

// HasAck reports whether the client wants an acknowledgement that was not sent yet.
func (e *Event) HasAck() bool { return e.wanted.Load() }

// Ack answers with args, encoded as those of [Socket.Emit]. It returns [ErrNoAck]
// where none is wanted or one was sent, [ErrClosed] or an encoding error.
func (e *Event) Ack(args ...any) error {
	jsonArgs, attachments, err := encodeArgs(args)
	if err != nil {
		return err
	}
	return e.ack(attachments, jsonArgs)
}

// AckBinary is Ack for JSON arguments that hold placeholders for attachments.
func (e *Event) AckBinary(attachments [][]byte, args ...json.RawMessage) error {
	jsonArgs, _, err := encodeArgs(anys(args))
	if err != nil {
		return err
	}
	return e.ack(attachments, jsonArgs)
}

func (e *Event) ack(attachments, jsonArgs [][]byte) error {
	if !e.wanted.CompareAndSwap(true, false) {
		return ErrNoAck
	}
	p := parser.Packet{Type: parser.Ack, Namespace: e.socket.namespace.name, ID: e.id, HasID: true}
	return e.socket.send(newPacket(p, "", attachments, jsonArgs))
}

func anys(args []json.RawMessage) []any {
	out := make([]any, len(args))
	for i, a := range args {
		out[i] = a
	}
	return out
}
