package socketio

// Packet is an encoded packet, immutable, shared by all sockets and any log: its
// bytes are made once, as they go on the wire.
type Packet struct{}

// NewEvent encodes an event for a namespace. Each of jsonArgs must be valid,
// compact JSON; they are copied.
func NewEvent(namespace, event string, jsonArgs ...[]byte) *Packet { return nil }

// NewBinaryEvent is NewEvent with attachments, to which placeholders in jsonArgs
// refer by index: {"_placeholder":true,"num":0}.
func NewBinaryEvent(namespace, event string, attachments [][]byte, jsonArgs ...[]byte) *Packet {
	return nil
}

// Size returns the bytes it takes in an outbound queue.
func (p *Packet) Size() int { return 0 }
