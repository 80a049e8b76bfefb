package readback_test

import (
	"encoding/json"
	"testing"

	"chatbridge/source"
	"chatbridge/source/readback"
)

func TestArraysAndFormsOfValues(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		raw, typ string
		form     readback.Form
		want     string
	}{
		{`[]`, "_text", readback.StreamForm, `{}`},
		{`["", "NULL", "null", "a b", "a,b", "{", "\"", "\\"]`, "_text", readback.StreamForm, `{"","NULL","null","a b","a,b","{","\"","\\"}`},
		{`[[1,2],[3,null]]`, "_int4", readback.StreamForm, `{{1,2},{3,NULL}}`},
		{`[true,false]`, "_bool", readback.StreamForm, `{t,f}`},
		{`[{"a":"b"}]`, "_jsonb", readback.StreamForm, `{"{\"a\":\"b\"}"}`},
		{`["de"]`, "_bytea", readback.StreamForm, `{"\\xde"}`},
		{`"\\xde"`, "bytea", readback.ReadForm, `\xde`},
		{`"de"`, "bytea", readback.StreamForm, `\xde`},
		{`"text"`, "jsonb", readback.StreamForm, `"text"`},
		{`[1, 2]`, "jsonb", readback.StreamForm, `[1, 2]`},
		{`{"f1": 1}`, "composite", readback.StreamForm, `{"f1": 1}`},
		{`"x\u0041"`, "text", readback.StreamForm, `xA`},
	} {
		v := readback.Value(json.RawMessage(c.raw), c.typ, c.form)
		if v.Kind != source.Text || string(v.Data) != c.want {
			t.Errorf("%s as %s: %s, want %s", c.raw, c.typ, v.Data, c.want)
		}
	}
	if v := readback.Value(json.RawMessage(` null `), "text", readback.StreamForm); v.Kind != source.Null {
		t.Errorf("null: %+v", v)
	}
}
