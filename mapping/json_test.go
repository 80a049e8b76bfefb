package mapping_test

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"unicode/utf8"

	"chatbridge/internal/jsonscan"
	"chatbridge/mapping"
)

func TestEdit(t *testing.T) {
	t.Parallel()
	cases := []struct{ in, want string }{
		{`{}`, `{}`},
		{`[]`, `[]`},
		{`{"a": null}`, `{}`},
		{`{"a": null, "b": 1, "c": null}`, `{"b":1}`},
		{`[null, {"a": null, "b": [null, {"c": null}]}, null]`, `[{"b":[null,{}]}]`},
		{`{"a": "null", "b": {"c": null, "d": "}\"{"}}`, `{"a":"null","b":{"d":"}\"{"}}`},
		{`{"at": "2026-02-05T15:58:02.123456-03:00", "n": 1.50}`, `{"at":"2026-02-05T18:58:02.123Z","n":1.50}`},
		{`{"at": "not a time"}`, `{"at":"not a time"}`},
		{`{"at": 1770000000000}`, `{"at":1770000000000}`},
		{`{"\u0061t": "2026-02-05 18:58:02+00"}`, `{"\u0061t":"2026-02-05T18:58:02.000Z"}`},
		{`[{"at": "2026-02-05 18:58:02+00", "in": {"at": "2026-02-05 18:58:02+00"}}]`, `[{"at":"2026-02-05T18:58:02.000Z","in":{"at":"2026-02-05 18:58:02+00"}}]`},
		{"{\n \"a\" : [ 1 , 2 ] }", `{"a":[1,2]}`},
		{`"text"`, `"text"`},
	}
	for _, c := range cases {
		got, ok := mapping.AppendEdited(nil, []byte(c.in), true, "at")
		if !ok || string(got) != c.want {
			t.Errorf("%s: %s %v, want %s", c.in, got, ok, c.want)
		}
	}
	deep := strings.Repeat("[", 600) + strings.Repeat("]", 600)
	if _, ok := mapping.AppendEdited(nil, []byte(deep), true); ok {
		t.Error("a value nested 600 deep was edited")
	}
}

func TestMerge(t *testing.T) {
	t.Parallel()
	cases := []struct{ base, want string }{
		{`{}`, `{"p":"X"}`},
		{`{"a": [1, 2]}`, `{"a":[1, 2],"p":"X"}`},
		{`{"p": "Y", "a": 1}`, `{"p": "Y", "a": 1}`},
		{`{"p": null, "a": 1}`, `{"a":1,"p":"X"}`},
		{`{"p": null}`, `{"p":"X"}`},
		{`{"\u0070": "Y"}`, `{"\u0070": "Y"}`},
		{`{"a": {"p": "Y"}, "b": "\"p\": 1"}`, `{"a":{"p": "Y"},"b":"\"p\": 1","p":"X"}`},
		{`null`, `{"p":"X"}`},
		{`[1]`, `{"p":"X"}`},
	}
	for _, c := range cases {
		got, ok := mapping.MergeObject([]byte(c.base), "p", []byte(`"X"`))
		if !ok || string(got) != c.want {
			t.Errorf("%s: %s %v, want %s", c.base, got, ok, c.want)
		}
	}
}

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

// Whatever the text, nothing panics; of valid JSON the result is valid, and
// what it says is what encoding/json makes of the same edit.
func FuzzEdit(f *testing.F) {
	for _, s := range []string{
		`{"a": null, "b": [1, null, {"c": null}], "at": "2026-02-05 18:58:02+00"}`, `[{"p": null}]`, `{"a":`, `{"a" "b"}`, `{"a":1,}`, `"\ud800"`, `[[[[`,
		`{"\"": "\\"}`, ` {} `, `nul`, `{"p":1,"p":null}`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, s []byte) {
		edited, ok := mapping.AppendEdited(nil, s, true)
		merged, mergedOK := mapping.MergeObject(s, "p", []byte("1"))
		jsonscan.Descend(s, []string{"a", "0"})
		var doc any
		if json.Unmarshal(s, &doc) != nil {
			return
		}
		if ok {
			var got any
			if err := json.Unmarshal(edited, &got); err != nil {
				t.Fatalf("%s: %s: %v", s, edited, err)
			}
			if want := withoutNulls(doc, true); !reflect.DeepEqual(got, want) && !repeats(s) {
				t.Fatalf("%s: %s, want %v", s, edited, want)
			}
		}
		if mergedOK && !json.Valid(merged) {
			t.Fatalf("%s: %s", s, merged)
		}
	})
}

// repeats tells that a name may come twice in an object, which Go and we see
// differently when one of the two is null.
func repeats(s []byte) bool { return strings.Count(string(s), ":") > 1 }

func withoutNulls(v any, top bool) any {
	switch v := v.(type) {
	case map[string]any:
		for k, x := range v {
			if x == nil {
				delete(v, k)
				continue
			}
			v[k] = withoutNulls(x, false)
		}
	case []any:
		out := []any{}
		for _, x := range v {
			if x != nil || !top {
				out = append(out, withoutNulls(x, false))
			}
		}
		return out
	}
	return v
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
