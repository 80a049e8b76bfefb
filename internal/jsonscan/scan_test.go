package jsonscan_test

import (
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"

	"chatbridge/internal/jsonscan"
)

func TestDescend(t *testing.T) {
	t.Parallel()
	doc := `{"a": {"b": [10, {"c": "x"}], "0": true}, "a.b": 1, "\u00e9": null}`
	for path, want := range map[string]string{
		"": doc, "a/b/0": "10", "a/b/1/c": `"x"`, "a/0": "true", "a.b": "1", "é": "null",
		"a/b/2": "", "a/b/x": "", "b": "", "a/b/1/c/d": "", "a/b/-1": "",
	} {
		var steps []string
		if path != "" {
			steps = strings.Split(path, "/")
		}
		got, ok := jsonscan.Descend([]byte(doc), steps)
		if ok != (want != "") || string(got) != want {
			t.Errorf("%s: %s %v, want %s", path, got, ok, want)
		}
	}
}

func TestUnquote(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		`"\ud83d\ude00"`: "😀", `"\ud83d"`: "\uFFFD", `"\ud83dA"`: "\uFFFDA", `"\ud83d\u0041"`: "\uFFFDA", `"\ude00\ud83d"`: "\uFFFD\uFFFD",
		`"\u00e9\/\"\\\b\f\n\r\t"`: "é/\"\\\b\f\n\r\t", `""`: "", `"\ud83d\ud83d\ude00"`: "\uFFFD😀",
	} {
		got, ok := jsonscan.Unquote([]byte("x"), []byte(in))
		if !ok || string(got) != "x"+want {
			t.Errorf("%s: %q %v, want %q", in, got, ok, want)
		}
	}
	for _, in := range []string{``, `"`, `a`, `"a`, `"\"`, `"\u12"`, `"\u12x4"`, `"\x"`} {
		if got, ok := jsonscan.Unquote(nil, []byte(in)); ok {
			t.Errorf("%s: %q", in, got)
		}
	}
}

// FuzzUnquote holds the reading of JSON strings against encoding/json.
func FuzzUnquote(f *testing.F) {
	for _, s := range []string{`"\ud83d\ude00"`, `"\ud83d\u0041\""`, `"a\/b"`, `"\u00"`, `""`, "\"\xff\""} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, s []byte) {
		got, ok := jsonscan.Unquote(nil, s)
		var want string
		if json.Unmarshal(s, &want) != nil || len(s) < 2 || s[0] != '"' || s[len(s)-1] != '"' || !utf8.Valid(s) {
			return
		}
		if !ok || string(got) != want {
			t.Fatalf("%s: %q %v, want %q", s, got, ok, want)
		}
	})
}
