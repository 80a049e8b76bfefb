package socketio

import "encoding/json"

// Event is one event of a client. It and its members are the callback's to keep.
type Event struct {
	// Name is the first element of the event's array.
	Name string
	// Args are the others, valid JSON. A binary argument is the placeholder
	// {"_placeholder":true,"num":0}, an index into Attachments.
	Args []json.RawMessage
	// Attachments are the binary arguments.
	Attachments [][]byte
}

// HasAck reports whether the client wants an acknowledgement it has not had.
func (e *Event) HasAck() bool { return false }

// Ack answers with args, encoded as those of [Socket.Emit]. It returns [ErrNoAck]
// where none is wanted or one was sent, [ErrClosed] or an encoding error.
func (e *Event) Ack(args ...any) error { return nil }

// AckBinary is Ack for JSON arguments that hold placeholders for attachments.
func (e *Event) AckBinary(attachments [][]byte, args ...json.RawMessage) error { return nil }
