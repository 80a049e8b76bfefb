//go:build linux

package load

import (
	"bytes"
	"strings"
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
		g := &Group{sampleEvery: 1, parse: event.Parse}
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

// TestFeedCountsWhatTheOptionsSay: other packets pass uncounted, however the
// stream is cut.
func TestFeedCountsWhatTheOptionsSay(t *testing.T) {
	packets := []string{
		`42["message",` + strings.Repeat("m", 300), `42["conversation",` + strings.Repeat("c", 300),
		`42["messageStatus",{}]`, `42["message",` + strings.Repeat("n", 300),
	}
	var stream []byte
	for _, p := range packets {
		stream = append(stream, 0x81, 126, byte(len(p)>>8), byte(len(p)))
		stream = append(stream, p...)
	}
	for cut := range stream {
		var parsed int
		g := &Group{sampleEvery: 1, prefix: []byte(`42["message",`), parse: func(packet []byte) (seq, due uint64, ok bool) {
			parsed++
			return 0, 0, true
		}}
		c := &conn{state: joined}
		for _, part := range [][]byte{stream[:cut], stream[cut:]} {
			b := append(bytes.Clone(c.carry), part...)
			c.carry = c.carry[:0]
			if _, err := g.feed(c, b, 0); err != nil {
				t.Fatalf("cut at %d: %v", cut, err)
			}
		}
		if c.frames != 2 || parsed != 2 {
			t.Fatalf("cut at %d: %d counted, %d parsed, want 2 and 2", cut, c.frames, parsed)
		}
	}
}

// BenchmarkFeed is what the generator costs per delivery, without the kernel.
func BenchmarkFeed(b *testing.B) {
	stream := frames(500)
	g := &Group{sampleEvery: 7, parse: event.Parse}
	c := &conn{state: joined}
	b.SetBytes(int64(len(stream)))
	for b.Loop() {
		if _, err := g.feed(c, stream, 0); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/500, "ns/delivery")
}
