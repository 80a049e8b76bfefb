package jsonscan_test

import (
	"encoding/json"
	"math/rand/v2"
	"strings"
	"testing"
	"unicode/utf8"

	"chatbridge/internal/jsonscan"
	"chatbridge/internal/npm"
)

// interesting are pieces that strings are made of.
var interesting = []string{
	"a", "plain text of some length, ", `"`, `\`, "/", "\b\f\n\r\t", "\x00", "\x01\x1f", "\x7f", "<b>&amp;</b>", "ção", "你好", "😀", "👩‍👩‍👧", "\u2028\u2029",
	"\ufeff", "\ufffd", "\u0085", "\u00a0", "01234567", `\u0000`, "\U0010ffff",
}

// JSON.stringify and we write the same text, byte for byte.
func TestStringsAgreeWithV8(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(1, 2))
	in := append([]string{""}, interesting...)
	for range 5000 {
		var b strings.Builder
		for range r.IntN(12) {
			b.WriteString(interesting[r.IntN(len(interesting))])
		}
		in = append(in, b.String())
	}
	node := npm.Node(t, "testdata/oracle.mjs")
	node.Tell(map[string]any{"strings": in})
	var answer struct{ Strings []string }
	node.Await("answer", &answer)
	for i, want := range answer.Strings {
		if got := jsonscan.AppendString(nil, []byte(in[i])); string(got) != want {
			t.Fatalf("%q: ours %s, V8's %s", in[i], got, want)
		}
	}
}

// A database in encoding SQL_ASCII may hold bytes that are no UTF-8; a text
// frame may not.
func TestInvalidUTF8(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"\xff":             `"` + "\uFFFD" + `"`,
		"a\xc3":            `"a` + "\uFFFD" + `"`,
		"caf\xe9 \"x\"":    `"caf` + "\uFFFD" + ` \"x\""`,
		"\xed\xa0\x80 ção": `"` + "\uFFFD\uFFFD\uFFFD ção" + `"`,
	} {
		if got := jsonscan.AppendString(nil, []byte(in)); string(got) != want {
			t.Errorf("%q: %s, want %s", in, got, want)
		}
	}
}

func FuzzString(f *testing.F) {
	for _, s := range interesting {
		f.Add([]byte(s))
		f.Add([]byte("0123456789" + s + "0123456789"))
	}
	f.Add([]byte("\xff\xfe"))
	f.Fuzz(func(t *testing.T, s []byte) {
		out := jsonscan.AppendString([]byte("x"), s)
		if out[0] != 'x' || !utf8.Valid(out) {
			t.Fatalf("%q: %q", s, out)
		}
		var back string
		if err := json.Unmarshal(out[1:], &back); err != nil {
			t.Fatalf("%q: %q: %v", s, out, err)
		}
		if want := strings.ToValidUTF8(string(s), "\uFFFD"); utf8.Valid(s) && back != want {
			t.Fatalf("%q came back as %q", s, back)
		}
		plain, ok := jsonscan.Unquote(nil, out[1:])
		if !ok || string(plain) != back {
			t.Fatalf("%q: unquoted %q, want %q", s, plain, back)
		}
	})
}

func BenchmarkString(b *testing.B) {
	for name, s := range map[string]string{"uuid": "0b7e3f54-51f9-4d6a-9f0e-3a1f6f0e1c11", "text": strings.Repeat("Bom dia! Tudo certo? ", 25), "portuguese": strings.Repeat("Não, obrigação é só amanhã. ", 18), "quotes": strings.Repeat(`{"a": "b"} `, 45)} {
		b.Run(name, func(b *testing.B) {
			in, out := []byte(s), make([]byte, 0, 4096)
			b.SetBytes(int64(len(in)))
			b.ReportAllocs()
			for b.Loop() {
				out = jsonscan.AppendString(out[:0], in)
			}
		})
	}
}

func TestNumbers(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]bool{
		"0": true, "-1": true, "1.500": true, "9223372036854775807": true, "1e+20": true,
		"NaN": false, "Infinity": false, "-Infinity": false, "": false, "01": false, "0x1": false, "+1": false, "true": false, "1 2": false,
	} {
		if jsonscan.IsNumber([]byte(in)) != want {
			t.Errorf("%q: %v, want %v", in, !want, want)
		}
	}
}
