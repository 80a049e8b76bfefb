package pgoutput_test

import (
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"testing"

	"chatbridge/source/postgres/pgoutput"
)

// writeCorpus writes the recorded messages and frames as seeds.
func writeCorpus(t *testing.T) {
	t.Helper()
	write := func(target string, data []byte) {
		dir := filepath.Join("testdata", "fuzz", target)
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		name := fmt.Sprintf("recorded-%x", sha256.Sum256(data))[:25]
		text := fmt.Sprintf("go test fuzz v1\n[]byte(%q)\n", data)
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for _, m := range messages(t, "15") {
		if len(m) < 500 {
			write("FuzzDecode", m)
		}
	}
	for _, m := range messages(t, "14")[:1] {
		write("FuzzDecode", m)
	}
	for i, f := range frames(t, "15") {
		if i < 3 || f[0] == pgoutput.KeepaliveByte && len(f) < 500 {
			write("FuzzFrame", f)
		}
	}
}

// FuzzDecode: nothing panics, and what decodes, decodes the same after it was
// encoded.
func FuzzDecode(f *testing.F) {
	f.Fuzz(func(t *testing.T, data []byte) {
		var d, again pgoutput.Decoder
		m, err := d.Decode(data)
		if err != nil {
			if m != nil {
				t.Errorf("a message with the error %v", err)
			}
			return
		}
		b := encode(m)
		m2, err := again.Decode(b)
		if err != nil {
			t.Fatalf("%T encoded to %x does not decode: %v", m, b, err)
		}
		// Decoded rows keep the memory of earlier ones; compare the text.
		if text(m) != text(m2) || reflect.TypeOf(m) != reflect.TypeOf(m2) {
			t.Fatalf("%s\n%s", text(m), text(m2))
		}
	})
}

// FuzzFrame does the same for frames.
func FuzzFrame(f *testing.F) {
	f.Fuzz(func(t *testing.T, data []byte) {
		var x pgoutput.XLogData
		if x.Decode(data) == nil && len(x.Data) != len(data)-25 {
			t.Errorf("%d bytes of data in a frame of %d", len(x.Data), len(data))
		}
		var k pgoutput.Keepalive
		if k.Decode(data) == nil && len(data) != 18 {
			t.Errorf("a keepalive of %d bytes", len(data))
		}
	})
}

// FuzzLSN: what parses prints back to something that parses to the same.
func FuzzLSN(f *testing.F) {
	for _, s := range []string{"0/0", "2E/2ABE8", "FFFFFFFF/FFFFFFFF", "", "/", "1", "1/", "g/0", "100000000/0", "-1/0"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		l, err := pgoutput.ParseLSN(s)
		if err != nil {
			return
		}
		again, err := pgoutput.ParseLSN(l.String())
		if err != nil || again != l {
			t.Errorf("%q is %d, which prints %s, which is %d (%v)", s, l, l, again, err)
		}
	})
}
