// Package parser encodes and decodes the packets of Socket.IO protocol 5, as the
// npm package of the same name does. It is pure: no I/O, no goroutine, no state
// but a [Decoder]'s packet that waits for its attachments.
//
//	packet.go    Packet and its types
//	encode.go    Append: a packet as text
//	decode.go    Decode: a packet from text
//	binary.go    Decoder: packets with their attachments; placeholder.go: where they go
//	event.go     the name of an event
//	elements.go  the elements of its array
//
// Encoders append to the buffer they are given; what is decoded aliases the input
// and is valid as long as that is.
package parser
