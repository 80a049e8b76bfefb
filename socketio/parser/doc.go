// Package parser encodes and decodes the packets of Socket.IO protocol 5, as the
// npm package of the same name does. It is pure: no I/O, no goroutine, no state
// but a [Decoder]'s packet that waits for its attachments.
//
// Encoders append to the buffer they are given; what is decoded aliases the input
// and is valid as long as that is.
package parser
