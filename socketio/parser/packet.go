package parser

import "encoding/json"

// Type is the type of a packet, its first byte minus '0'.
type Type uint8

// The packet types of Socket.IO 5.
const (
	Connect Type = iota
	Disconnect
	Event
	Ack
	ConnectError
	BinaryEvent
	BinaryAck
)

// Packet is a packet without its attachments' bytes.
type Packet struct {
	Type Type
	// Namespace begins with a slash.
	Namespace string
	// ID is the acknowledgement's, if HasID.
	ID    uint64
	HasID bool
	// Data is the JSON payload; empty if there is none.
	Data json.RawMessage
	// Attachments is the number of binary packets that follow.
	Attachments int
}
