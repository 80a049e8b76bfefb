package readback

import (
	"bytes"
	"encoding/json"
	"strings"

	"chatbridge/source"
)

// Form tells how a JSON value was printed.
type Form uint8

const (
	// StreamForm is Realtime's: bytea is hex without the leading \x.
	StreamForm Form = iota
	// ReadForm is to_json's: bytea is Postgres's own text.
	ReadForm
)

// Value converts the JSON of one column to Postgres's text form, as
// source.Value promises. Realtime prints numbers at full length, which is why
// they are never parsed here. A composite value, which JSON prints as an
// object, stays JSON: its text form cannot be told from it.
func Value(raw json.RawMessage, typ string, f Form) source.Value {
	raw = bytes.TrimSpace(raw)
	if len(raw) == 0 || string(raw) == "null" {
		// jsonb's own null looks the same and is taken for SQL's.
		return source.Value{Kind: source.Null}
	}
	if typ == "json" || typ == "jsonb" {
		return source.Value{Kind: source.Text, Data: raw}
	}
	switch raw[0] {
	case '"':
		return source.Value{Kind: source.Text, Data: textOf(raw, typ, f)}
	case '[':
		if elem, ok := strings.CutPrefix(typ, "_"); ok {
			return source.Value{Kind: source.Text, Data: appendArray(nil, raw, elem, f)}
		}
	}
	return source.Value{Kind: source.Text, Data: raw}
}

// textOf unquotes a JSON string and restores what its type's text form has.
func textOf(raw json.RawMessage, typ string, f Form) []byte {
	var s string
	if err := json.Unmarshal(raw, &s); err != nil {
		return raw
	}
	if typ == "bytea" && f == StreamForm {
		s = `\x` + s
	}
	return []byte(s)
}

// appendArray appends a JSON array as Postgres's array literal.
func appendArray(dst []byte, raw json.RawMessage, elem string, f Form) []byte {
	var items []json.RawMessage
	if err := json.Unmarshal(raw, &items); err != nil {
		return append(dst, raw...)
	}
	dst = append(dst, '{')
	for i, item := range items {
		if i > 0 {
			dst = append(dst, ',')
		}
		item = bytes.TrimSpace(item)
		switch {
		case string(item) == "null":
			dst = append(dst, "NULL"...)
		case elem == "json" || elem == "jsonb":
			dst = appendElement(dst, item)
		case item[0] == '[':
			dst = appendArray(dst, item, elem, f)
		case item[0] == '"':
			dst = appendElement(dst, textOf(item, elem, f))
		case string(item) == "true":
			dst = append(dst, 't')
		case string(item) == "false":
			dst = append(dst, 'f')
		default:
			dst = appendElement(dst, item)
		}
	}
	return append(dst, '}')
}

// appendElement appends one element, quoted where array_out would quote it.
func appendElement(dst, s []byte) []byte {
	if len(s) > 0 && !bytes.EqualFold(s, []byte("null")) && !bytes.ContainsAny(s, "{}\",\\ \t\n\r\v\f") {
		return append(dst, s...)
	}
	dst = append(dst, '"')
	for _, c := range s {
		if c == '"' || c == '\\' {
			dst = append(dst, '\\')
		}
		dst = append(dst, c)
	}
	return append(dst, '"')
}
