package engineio

import (
	"bytes"
	"strings"
	"testing"
)

// TestCut: a message that is cut is, on either transport, the one that is encoded with the
// same text.
func TestCut(t *testing.T) {
	for _, n := range []int{0, 1, 122, 123, 124, 125, 126, 1000, 1<<16 - 3, 1<<16 - 2, 1<<16 - 1, 1 << 16} {
		text := "[" + strings.Repeat("x", n)
		want, cut := NewMessage([]byte(text+"]")), new(Message)
		if !cut.Cut(NewMessage([]byte(text+`,"offset"]`)), len(text)) {
			t.Fatal("a text is not cut")
		}
		if got := cut.appendFrames([]byte("before")); !bytes.Equal(got, append([]byte("before"), want.frames...)) {
			t.Errorf("%d: frames %.20q, want %.20q", n, got, want.frames)
		}
		if got := appendPayload(nil, cut); !bytes.Equal(got, appendPayload(nil, want)) {
			t.Errorf("%d: payload %.20q, want %.20q", n, got, want.text)
		}
		if cut.Size() != want.Size() || cut.packets() != 1 || !bytes.Equal(cut.Text(), want.Text()) {
			t.Errorf("%d: size %d of %d packets, want %d; text %.20q", n, cut.Size(), cut.packets(), want.Size(), cut.Text())
		}
		if w := (&writer{batch: []*Message{cut}}); !bytes.Equal(w.encode(), want.frames) {
			t.Errorf("%d: written alone it is %.20q", n, w.encode())
		}
		if w := (&writer{batch: []*Message{cut, want}}); !bytes.Equal(w.encode(), append(want.frames[:len(want.frames):len(want.frames)], want.frames...)) {
			t.Errorf("%d: written before another one it is %.20q", n, w.encode())
		}
		if new(Message).Cut(want, -1) || new(Message).Cut(want, len(want.text)) {
			t.Error("a text is cut outside")
		}
		if new(Message).Cut(cut, 1) {
			t.Error("a message that is cut is cut again")
		}
	}
	for what, m := range map[string]*Message{"with attachments": NewMessage([]byte("[]"), nil), "without text": NewMessage(nil, nil), "of control": control(opPong, nil)} {
		if new(Message).Cut(m, 0) {
			t.Errorf("a message %s is cut", what)
		}
	}
}
