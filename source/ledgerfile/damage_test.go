package ledgerfile

import (
	"bytes"
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"chatbridge/internal/durable"
)

// FuzzDamage: whatever is wrong with a file, Load ends, and what it gives is either all
// that was written or Lost; and the File works on. Nothing that a row's value was not
// is ever given.
func FuzzDamage(f *testing.F) {
	o, m := options(f), newMemory("public.messages", "public.conversations")
	first := run(f, o, m)
	r := random(3)
	for i := range 1000 {
		m.set(i%2, uuid(r), long(r, 100), int64(i))
	}
	await(f, "the rows", func() bool { return first.Stats().Rows == 1000 })
	for i := range 300 { // so that the file has pages that are free
		m.set(i%2, uuid(r), long(r, 100), int64(i))
	}
	first.stop()
	whole, err := os.ReadFile(o.Path)
	if err != nil {
		f.Fatal(err)
	}
	want := m.texts()
	for _, page := range []uint32{0, 1, 2, 3, 5, 8, 20, 40} {
		f.Add(page<<12, byte(0xff), uint32(0), uint32(1<<20))        // its number
		f.Add(page<<12+8, byte(0xff), uint32(5000), uint32(1<<20))   // its kind
		f.Add(page<<12+12, byte(0x80), uint32(700), uint32(1<<20))   // how far it goes
		f.Add(page<<12+16, byte(0xff), uint32(1), uint32(page<<12))  // its first element; torn there
		f.Add(page<<12+100, byte(0x01), uint32(8191), uint32(1<<20)) // its contents
	}
	branches := 0
	for page := 0; page < len(whole); page += 4096 {
		if binary.LittleEndian.Uint16(whole[page+8:]) == 1 { // leads to other pages
			branches++
			f.Add(uint32(page+16+8+3), byte(0x7f), uint32(0), uint32(1<<20)) // to where no memory is
		}
	}
	if branches == 0 {
		f.Fatal("the file is too small to have branches")
	}
	f.Fuzz(func(t *testing.T, at uint32, by byte, at2, length uint32) {
		o := o
		o.Path = filepath.Join(t.TempDir(), "ledger")
		damaged := append([]byte{}, whole[:min(int(length), len(whole))]...)
		if len(damaged) > 0 {
			damaged[int(at)%len(damaged)] ^= by
			damaged[int(at2)%len(damaged)] ^= by
		}
		if err := os.WriteFile(o.Path, damaged, 0o600); err != nil {
			t.Fatal(err)
		}
		file := New(o)
		rows := map[ref]string{}
		l := file.Load(t.Context(), func(table, key string, row []byte) { rows[ref{table, key}] = string(row) })
		for r, text := range rows {
			if want[r] != text {
				t.Fatalf("%v is %q, which it never was", r, text)
			}
		}
		if l.Lost == "" && len(damaged) > 0 && len(rows) != len(want) {
			// An older state of the file, whole in itself, is one that a kill may leave.
			if len(rows) != 1000 {
				t.Fatalf("%d of %d rows, and nothing is said", len(rows), len(want))
			}
		}
		file.rows = m
		if errors.Is(Recognise(o.Path), durable.ErrForeign) {
			// Nothing of it shows whose it is: it is left as it is.
			if text, err := os.ReadFile(o.Path); file.flush() == nil || err != nil || !bytes.Equal(text, damaged) {
				t.Fatalf("a file that nothing shows to be the bridge's was replaced: %v", err)
			}
			return
		}
		if err := file.flush(); err != nil {
			t.Fatal(err)
		}
		file.end()
		again, _, _ := load(t, o)
		same(t, again, want)
	})
}
