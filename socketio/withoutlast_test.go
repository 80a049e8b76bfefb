package socketio_test

import (
	"fmt"
	"strings"
	"testing"

	"chatbridge/socketio"
)

// TestWithoutLast: each packet keeps its own text, also once others have been made.
func TestWithoutLast(t *testing.T) {
	var made []*socketio.Packet
	for i := range 100 {
		body := fmt.Appendf(nil, `{"n":%d,"text":"%s,\"x"}`, i, strings.Repeat("x", i))
		p := socketio.NewEvent("/", "message", body, []byte(`"offset"`))
		made = append(made, p.WithoutLast())
		if again := string(socketio.NewEvent("/", "message", body, []byte(`"x"`), []byte(`"offset"`)).WithoutLast().WithoutLast().Text()); again != string(made[i].Text()) {
			t.Fatalf("twice: %s", again)
		}
	}
	for i, p := range made {
		if got, want := string(p.Text()), fmt.Sprintf(`2["message",{"n":%d,"text":"%s,\"x"}]`, i, strings.Repeat("x", i)); got != want {
			t.Fatalf("packet %d is %s, want %s", i, got, want)
		}
	}
}

// BenchmarkWithoutLast is what the first reader of an event out of order pays.
func BenchmarkWithoutLast(b *testing.B) {
	b.ReportAllocs()
	p := socketio.NewEvent("/", "message", []byte(`{"content":"`+strings.Repeat("x", 430)+`"}`), []byte(`"0000000100000000-00000000-18c0"`))
	for b.Loop() {
		p.WithoutLast()
	}
}
