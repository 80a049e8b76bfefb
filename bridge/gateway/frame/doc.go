// Package frame reads and writes WebSocket frames (RFC 6455, 5.2) of a
// connection whose bytes are otherwise passed on as they come. It is pure and
// imports nothing of the module.
//
//	frame.go   Frame: one frame in memory
//	count.go   Counter: how many frames pass
//	scanner.go Scanner: the text messages in what passes
package frame
