package plan_test

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"

	"chatbridge/internal/jsonscan"
	"chatbridge/mapping/internal/convert"
	"chatbridge/mapping/internal/plan"
	"chatbridge/source"
)

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
		got, ok := mergeObject([]byte(c.base), "p", []byte(`"X"`))
		if !ok || string(got) != c.want {
			t.Errorf("%s: %s %v, want %s", c.base, got, ok, c.want)
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
		edited, ok := convert.Edit{DropNulls: true}.Append(nil, s)
		merged, mergedOK := mergeObject(s, "p", []byte("1"))
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

// repeats reports whether a name may come twice in an object, which Go and we see
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

// mergeObject merges a member into base.
func mergeObject(base []byte, name string, value []byte) ([]byte, bool) {
	var trusted [plan.MaxTables][]bool
	trusted[0] = []bool{true}
	e := &plan.Env{Tables: 1, Trusted: &trusted}
	e.Set(0, source.Row{{Kind: source.Text, Data: base}})
	x := &plan.Merge{
		Base:  &plan.JSON{Of: &plan.Column{}, Want: convert.FormObject},
		With:  plan.Object{Members: []plan.Member{plan.NewMember(name, false, &plan.Const{Encoded: value})}},
		Names: []string{name},
	}
	return x.JSON(nil, e)
}
