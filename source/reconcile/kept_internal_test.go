package reconcile

import (
	"bytes"
	"reflect"
	"testing"

	"chatbridge/source"
)

// FuzzKeptRow: what is kept of a row comes back as it was, and anything else is refused
// or is of no harm.
func FuzzKeptRow(f *testing.F) {
	f.Add([]byte("x"))
	for _, e := range []Entry{
		{},
		{Sketch: Sketch{Created: 1_767_225_600_000_000, Updated: 1_767_225_600_000_001}, Published: 1_767_225_600_000_002},
		{Sketch: Sketch{Created: -5, Watch: []Watched{{source.Text, "read"}, {source.Null, ""}, {source.Unchanged, ""}, {source.Text, "é\x00"}}}},
	} {
		f.Add(e.append(nil))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		r, ok := decodeRow("a\x00b", b)
		if !ok {
			return
		}
		if !reflect.DeepEqual(r.Key, []string{"a", "b"}) || r.At != max(r.Created, r.Updated) {
			t.Fatalf("%+v", r)
		}
		again := r.append(nil)
		second, ok := decodeRow("a\x00b", again)
		if !ok || !reflect.DeepEqual(r, second) {
			t.Fatalf("%+v came back as %+v", r, second)
		}
		if len(again) > len(b) || len(again) == len(b) && !bytes.Equal(again, b) {
			t.Fatalf("%x was kept as %x", b, again)
		}
	})
}
