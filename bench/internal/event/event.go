package event

import (
	"bytes"
	"strings"

	"golang.org/x/sys/unix"
)

const (
	// Size is the length in bytes of the packet: 42["message",{...}].
	Size = 463

	prefix = `42["message",`
	head   = `{"id":"`
	middle = `","due":"`
	tail   = `","workspaceId":"7b0e7f4e-6f0c-4d5f-9a63-0d8f5d0a9c11","conversationId":"c2f4a9a0-35b1-4a6e-8d0a-5b7f7b1d9e22",` +
		`"senderId":"+5511987654321","type":"text","status":"delivered","createdAt":"2026-01-15T12:34:56.789Z",` +
		`"metadata":{"providerMessageId":"wamid.HBgNNTUxMTk4NzY1NDMyMRUCABIYFDNBMDA"},"content":"`
	end = `"}`

	// Digits is the length of the number and of the due time: 16 hex digits.
	Digits = 16
	// SeqAt and DueAt are where they begin in the packet.
	SeqAt = len(prefix) + len(head)
	DueAt = SeqAt + Digits + len(middle)
)

// Fill is the text of the message, as long as Size asks.
func Fill() string {
	const words = "Bom dia! O pedido ja saiu para entrega. "
	n := Size - (DueAt + Digits + len(tail) + len(end) + len("]"))
	return strings.Repeat(words, n/len(words)+1)[:n]
}

// AppendJSON appends the argument of the event number seq, which was due at the
// given time, see [Now].
func AppendJSON(dst []byte, seq, due uint64) []byte {
	dst = append(dst, head...)
	dst = appendHex(dst, seq)
	dst = append(dst, middle...)
	dst = appendHex(dst, due)
	dst = append(dst, tail...)
	dst = append(dst, Fill()...)
	return append(dst, end...)
}

// AppendPacket appends the whole packet.
func AppendPacket(dst []byte, seq, due uint64) []byte {
	dst = append(dst, prefix...)
	dst = AppendJSON(dst, seq, due)
	return append(dst, ']')
}

// Parse reads number and due time from the first bytes of a packet; ok is false
// where they are not there.
func Parse(b []byte) (seq, due uint64, ok bool) {
	if len(b) < DueAt+Digits || string(b[:len(prefix)]) != prefix {
		return 0, 0, false
	}
	seq, ok1 := parseHex(b[SeqAt : SeqAt+Digits])
	due, ok2 := parseHex(b[DueAt : DueAt+Digits])
	return seq, due, ok1 && ok2
}

// ParseArgument is [Parse] of a packet in which the event's argument comes after other
// things than it does there.
func ParseArgument(b []byte) (seq, due uint64, ok bool) {
	i := bytes.Index(b, []byte(head))
	at := i + len(head)
	if i < 0 || len(b) < at+2*Digits+len(middle) {
		return 0, 0, false
	}
	seq, ok1 := parseHex(b[at : at+Digits])
	due, ok2 := parseHex(b[at+Digits+len(middle):][:Digits])
	return seq, due, ok1 && ok2
}

// Now is the time in nanoseconds since boot, the clock of due times: the same
// in all processes, and in Node.js that of process.hrtime.bigint().
func Now() uint64 {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts); err != nil {
		panic(err) // the kernel has had this clock since 2.6
	}
	return uint64(ts.Nano())
}

// Sleep waits until a time of Now, to some 0.1 ms: time.Sleep is late by up to a
// millisecond where the process has nothing else to do.
func Sleep(until uint64) {
	for now := Now(); now < until; now = Now() {
		wait := unix.NsecToTimespec(int64(until - now))
		_ = unix.Nanosleep(&wait, nil) // a signal ends it early
	}
}

// Since is when event i is due, in nanoseconds after event 0, at a rate a second.
func Since(i int, rate float64) uint64 { return uint64(float64(i) / rate * 1e9) }

const hexDigits = "0123456789abcdef"

func appendHex(dst []byte, v uint64) []byte {
	for shift := 60; shift >= 0; shift -= 4 {
		dst = append(dst, hexDigits[v>>shift&15])
	}
	return dst
}

func parseHex(b []byte) (v uint64, ok bool) {
	for _, c := range b {
		switch {
		case c >= '0' && c <= '9':
			v = v<<4 | uint64(c-'0')
		case c >= 'a' && c <= 'f':
			v = v<<4 | uint64(c-'a'+10)
		default:
			return 0, false
		}
	}
	return v, true
}
