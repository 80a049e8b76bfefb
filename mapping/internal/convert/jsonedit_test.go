package convert_test

import (
	"strings"
	"testing"

	"chatbridge/mapping/internal/convert"
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
		got, ok := convert.Edit{DropNulls: true, Times: []string{"at"}}.Append(nil, []byte(c.in))
		if !ok || string(got) != c.want {
			t.Errorf("%s: %s %v, want %s", c.in, got, ok, c.want)
		}
	}
	deep := strings.Repeat("[", 600) + strings.Repeat("]", 600)
	if _, ok := (convert.Edit{DropNulls: true}).Append(nil, []byte(deep)); ok {
		t.Error("a value nested 600 deep was edited")
	}
}
