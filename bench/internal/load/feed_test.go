//go:build linux

package load

import (
	"bytes"
	"testing"

	"chatbridge/bench/internal/event"
)

// frames are n event frames as a server sends them.
func frames(n int) []byte {
	var b []byte
	for i := range n {
		b = append(b, 0x81, 126, event.Size>>8, event.Size&0xff)
		b = event.AppendPacket(b, uint64(i), 0)
	}
	return b
}

// TestFeedInAnyPieces cuts the stream at every place: the count must not
// depend on how TCP cuts it.
func TestFeedInAnyPieces(t *testing.T) {
	stream := append(append(frames(2), 0x81, 1, '2'), frames(1)...)
	for cut := range stream {
		g := &Group{sampleEvery: 1}
		c := &conn{state: joined}
		var reply []byte
		for _, part := range [][]byte{stream[:cut], stream[cut:]} {
			b := append(bytes.Clone(c.carry), part...)
			c.carry = c.carry[:0]
			r, err := g.feed(c, b, 0)
			if err != nil {
				t.Fatalf("cut at %d: %v", cut, err)
			}
			reply = append(reply, r...)
		}
		if c.frames != 3 || !bytes.Equal(reply, pongFrame) {
			t.Fatalf("cut at %d: %d events and reply %q, want 3 and a pong", cut, c.frames, reply)
		}
	}
}

// BenchmarkFeed is what the generator costs per delivery, without the kernel.
func BenchmarkFeed(b *testing.B) {
	stream := frames(500)
	g := &Group{sampleEvery: 7}
	c := &conn{state: joined}
	b.SetBytes(int64(len(stream)))
	for b.Loop() {
		if _, err := g.feed(c, stream, 0); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/500, "ns/delivery")
}
