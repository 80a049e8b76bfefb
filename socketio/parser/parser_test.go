package parser_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"chatbridge/socketio/parser"
)

// packets are packets as npm's socket.io-parser 4.2 encodes them.
var packets = map[string]parser.Packet{
	"0":                 {Type: parser.Connect, Namespace: "/"},
	`0{"token":"abc"}`:  {Type: parser.Connect, Namespace: "/", Data: []byte(`{"token":"abc"}`)},
	"0/custom,":         {Type: parser.Connect, Namespace: "/custom"},
	`0/admin,{"sid":1}`: {Type: parser.Connect, Namespace: "/admin", Data: []byte(`{"sid":1}`)},
	"1":                 {Type: parser.Disconnect, Namespace: "/"},
	"1/admin,":          {Type: parser.Disconnect, Namespace: "/admin"},
	`2["a"]`:            {Type: parser.Event, Namespace: "/", Data: []byte(`["a"]`)},
	`20["a",1,{}]`:      {Type: parser.Event, Namespace: "/", HasID: true, Data: []byte(`["a",1,{}]`)},
	`2/c,456["a"]`:      {Type: parser.Event, Namespace: "/c", ID: 456, HasID: true, Data: []byte(`["a"]`)},
	`3/c,13["a"]`:       {Type: parser.Ack, Namespace: "/c", ID: 13, HasID: true, Data: []byte(`["a"]`)},
	"39[]":              {Type: parser.Ack, Namespace: "/", ID: 9, HasID: true, Data: []byte(`[]`)},
	"39":                {Type: parser.Ack, Namespace: "/", ID: 9, HasID: true},
	"3[]":               {Type: parser.Ack, Namespace: "/", Data: []byte(`[]`)},
	"3/c,":              {Type: parser.Ack, Namespace: "/c"},
	"61-9":              {Type: parser.BinaryAck, Namespace: "/", Attachments: 1, ID: 9, HasID: true},
	`4{"message":"no"}`: {Type: parser.ConnectError, Namespace: "/", Data: []byte(`{"message":"no"}`)},
	`4"no"`:             {Type: parser.ConnectError, Namespace: "/", Data: []byte(`"no"`)},
	`51-["a",{"_placeholder":true,"num":0}]`: {
		Type: parser.BinaryEvent, Namespace: "/", Attachments: 1, Data: []byte(`["a",{"_placeholder":true,"num":0}]`),
	},
	`610-/c,7[]`: {Type: parser.BinaryAck, Namespace: "/c", Attachments: 10, ID: 7, HasID: true, Data: []byte(`[]`)},
}

func TestDecodeAndAppend(t *testing.T) {
	for text, want := range packets {
		got, err := parser.Decode([]byte(text), 10)
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: %s", text, diff)
		}
		if encoded := parser.Append([]byte("x"), got); string(encoded) != "x"+text {
			t.Errorf("%s was encoded as %s", text, encoded)
		}
	}
}

func TestDecodeWithoutComma(t *testing.T) {
	p, err := parser.Decode([]byte("1/custom"), 10)
	if err != nil || p.Namespace != "/custom" {
		t.Errorf("%+v, %v", p, err)
	}
}

func TestDecodeRefuses(t *testing.T) {
	for _, text := range []string{
		"", "7", "x", "a", "2", "2{}", `2"a"`, "2[", `2["a"]x`, "2abc[]", "1{}", "0[]", "0x", "5[]", "5-[]", "50-[]",
		"5x-[]", "51[]", "51-", "3x", `3{}`, "4[]", "4", "299999999999999999999[]", "2-1[]",
	} {
		if p, err := parser.Decode([]byte(text), 10); !errors.Is(err, parser.ErrPacket) {
			t.Errorf("%q: %+v, %v", text, p, err)
		}
	}
	for _, text := range []string{"511-[]", "599999999999999999999999-[]"} {
		if _, err := parser.Decode([]byte(text), 10); !errors.Is(err, parser.ErrAttachments) {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func TestDecoder(t *testing.T) {
	d := parser.Decoder{MaxAttachments: 10, MaxBytes: 1000}
	for range 2 { // it starts anew after each packet
		text := []byte(`52-/c,7["a",{"_placeholder":true,"num":1},{"_placeholder":true,"num":0}]`)
		if _, ok, err := d.Text(text); ok || err != nil {
			t.Fatal(ok, err)
		}
		clear(text) // what waits is a copy
		one := []byte("one")
		if _, _, ok, err := d.Binary(one); ok || err != nil {
			t.Fatal(ok, err)
		}
		clear(one)
		p, attachments, ok, err := d.Binary([]byte("two"))
		if !ok || err != nil {
			t.Fatal(ok, err)
		}
		want := parser.Packet{
			Type: parser.BinaryEvent, Namespace: "/c", ID: 7, HasID: true, Attachments: 2,
			Data: []byte(`["a",{"_placeholder":true,"num":1},{"_placeholder":true,"num":0}]`),
		}
		if diff := cmp.Diff(want, p); diff != "" {
			t.Error(diff)
		}
		if diff := cmp.Diff([][]byte{[]byte("one"), []byte("two")}, attachments); diff != "" {
			t.Error(diff)
		}
		if p, ok, err := d.Text([]byte(`2["b"]`)); !ok || err != nil || string(p.Data) != `["b"]` {
			t.Errorf("%+v %v %v", p, ok, err)
		}
	}
	if _, _, _, err := d.Binary(nil); !errors.Is(err, parser.ErrPacket) {
		t.Errorf("an attachment of no packet: %v", err)
	}
	_, _, _ = d.Text([]byte(`52-["a"]`))
	if _, _, _, err := d.Binary(make([]byte, 1000)); !errors.Is(err, parser.ErrAttachments) {
		t.Errorf("too many bytes: %v", err)
	}
	if _, _, err := d.Text([]byte(`2["a"]`)); !errors.Is(err, parser.ErrPacket) {
		t.Errorf("text where an attachment is due: %v", err)
	}
}

func TestEventName(t *testing.T) {
	for element, want := range map[string]string{`"a"`: "a", `"\u0061<"`: "a<", "42": "42", "-1.5": "-1.5", `""`: ""} {
		if got, ok := parser.EventName(json.RawMessage(element)); !ok || got != want {
			t.Errorf("%s: %q, %v", element, got, ok)
		}
	}
	for _, element := range []string{"", "null", "true", "{}", "[]", `"connect"`, `"disconnecting"`, `"new\u004cistener"`} {
		if got, ok := parser.EventName(json.RawMessage(element)); ok {
			t.Errorf("%s: %q", element, got)
		}
	}
}

// The elements of an array are those that encoding/json finds.
func FuzzElements(f *testing.F) {
	for _, seed := range []string{
		"[]", `["a"]`, `[1,"2",{"3":[true]}]`, ` [ "a\"]," , -1.5e3 ,null,[[],{}] ] `, `["\\",{"]":"["}]`, "[0]", `[{}]`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, array []byte) {
		var want []json.RawMessage
		if json.Unmarshal(array, &want) != nil || want == nil {
			parser.Elements(array, math.MaxInt) // whatever it finds, it must not panic
			return
		}
		got, _ := parser.Elements(array, math.MaxInt)
		if len(got) != len(want) {
			t.Fatalf("%s: %d elements, want %d", array, len(got), len(want))
		}
		for i := range got {
			if !bytes.Equal(got[i], want[i]) {
				t.Fatalf("%s: element %d is %s, want %s", array, i, got[i], want[i])
			}
		}
	})
}

// What is decoded can be encoded and decoded again to the same.
func FuzzDecode(f *testing.F) {
	for text := range packets {
		f.Add([]byte(text))
	}
	f.Add([]byte("2" + strings.Repeat("[", 100)))
	f.Fuzz(func(t *testing.T, text []byte) {
		p, err := parser.Decode(text, 10)
		if err != nil {
			return
		}
		if !strings.HasPrefix(p.Namespace, "/") || strings.Contains(p.Namespace, ",") {
			t.Fatalf("%q: namespace %q", text, p.Namespace)
		}
		if len(p.Data) > 0 && !json.Valid(p.Data) {
			t.Fatalf("%q: payload %q", text, p.Data)
		}
		again, err := parser.Decode(parser.Append(nil, p), 10)
		if err != nil {
			t.Fatalf("%q, encoded %q: %v", text, parser.Append(nil, p), err)
		}
		if diff := cmp.Diff(p, again); diff != "" {
			t.Fatalf("%q: %s", text, diff)
		}
	})
}

// Placeholders that are accepted refer to an attachment, for whoever decodes the JSON.
func FuzzPlaceholders(f *testing.F) {
	for _, seed := range []string{
		`["a",{"_placeholder":true,"num":1}]`, `[{"num":2,"_placeholder":true}]`, `[[{"a":{"_placeholder":true,"num":0}}],"num",{}]`,
		`[{"\u005fplaceholder":true,"n\u0075m":7}]`, `[{"_placeholder":true,"num":0,"num":{"num":1}}]`, `["{\"_placeholder\":true"]`,
	} {
		f.Add([]byte(seed))
	}
	const attachments = 2
	var within func(v any) bool
	within = func(v any) bool {
		switch v := v.(type) {
		case []any:
			return !slices.ContainsFunc(v, func(e any) bool { return !within(e) })
		case map[string]any:
			if v["_placeholder"] == true {
				num, ok := v["num"].(float64)
				return ok && (num == 0 || num == 1)
			}
			for _, e := range v {
				if !within(e) {
					return false
				}
			}
		}
		return true
	}
	f.Fuzz(func(t *testing.T, array []byte) {
		d := parser.Decoder{MaxAttachments: attachments}
		if _, _, err := d.Text(append([]byte("52-"), array...)); err != nil {
			return
		}
		var v any
		text := array[bytes.IndexByte(array, '['):] // behind a namespace and an id
		if err := json.Unmarshal(text, &v); err != nil {
			t.Skip("a namespace with a bracket")
		}
		if !within(v) {
			t.Fatalf("%s was accepted", array)
		}
	})
}
