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

// TestFeedHello: a client that says hello is joined once that is answered, answers each
// heartbeat, and counts events.
func TestFeedHello(t *testing.T) {
	g := &Group{sampleEvery: 1, o: Options{Bare: true, Hello: "hi"}, prefix: []byte("push"), parse: event.ParseArgument}
	c := &conn{state: upgrade}
	read := func(b []byte) []byte {
		t.Helper()
		reply, err := g.feed(c, b, 0)
		if err != nil {
			t.Fatal(err)
		}
		return reply
	}
	if got := read([]byte("HTTP/1.1 101 Switching Protocols\r\n\r\n")); !bytes.Equal(got, textFrame("hi")) || c.state != joining {
		t.Fatalf("sent %q after the handshake, in state %d", got, c.state)
	}
	if got := read([]byte("\x81\x02ok")); got != nil || c.state != joined || g.joined != 1 {
		t.Fatalf("sent %q after the answer, in state %d", got, c.state)
	}
	if got := read([]byte("\x81\x02{}")); !bytes.Equal(got, textFrame("{}")) {
		t.Fatalf("answered a heartbeat with %q", got)
	}
	push := event.AppendJSON([]byte("push:"), 7, 0)
	read(append([]byte{0x81, 126, byte(len(push) >> 8), byte(len(push))}, push...))
	if c.frames != 1 || c.last != 7 {
		t.Errorf("counted %d events, the last one with number %d", c.frames, c.last)
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
