package mapping

import (
	"bytes"

	"chatbridge/internal/jsonscan"
	"chatbridge/source"
)

// KeySeparator stands between the values of a key of several columns. Postgres's text
// cannot have it.
const KeySeparator = "\x00"

// Derived reports whether no column of the table has the value as it is: it is at a place
// inside of one, or made of several.
func (c *Column) Derived() bool { return c.Path != nil || c.Parts != nil }

// KeyParts returns the columns that a key is made of, one for most.
func (t *Table) KeyParts() []*Column {
	key := &t.Columns[t.Key]
	if key.Parts == nil {
		return []*Column{key}
	}
	var out []*Column
	for _, slot := range key.Parts {
		out = append(out, &t.Columns[slot])
	}
	return out
}

// KeyNames returns the names of the columns that a key is made of.
func (t *Table) KeyNames() []string {
	var out []string
	for _, c := range t.KeyParts() {
		out = append(out, c.Name)
	}
	return out
}

// Derive sets the derived values of a row, which has those of the table's other
// columns. The values are in the row's own or in buf, which is returned longer.
func (t *Table) Derive(row source.Row, buf []byte) []byte {
	for _, slot := range t.derived {
		switch c := &t.Columns[slot]; {
		case c.Path != nil:
			row[slot], buf = inside(row[c.From], c.Path, buf)
		default:
			row[slot], buf = joined(row, c.Parts, buf)
		}
	}
	return buf
}

// inside returns the text at a place inside JSON, null where there is none.
func inside(v source.Value, path []string, buf []byte) (source.Value, []byte) {
	if v.Kind != source.Text {
		return v, buf
	}
	null := source.Value{Kind: source.Null}
	if !jsonscan.Valid(v.Data) {
		return null, buf
	}
	found, ok := jsonscan.Descend(v.Data, path)
	if found = bytes.TrimSpace(found); !ok || string(found) == "null" {
		return null, buf
	}
	if found[0] != '"' {
		return source.Value{Kind: source.Text, Data: found}, buf
	}
	start := len(buf)
	if buf, ok = jsonscan.Unquote(buf, found); !ok {
		return null, buf[:start]
	}
	return source.Value{Kind: source.Text, Data: buf[start:len(buf):len(buf)]}, buf
}

// joined returns the values of several columns as one key, null where one of them is.
func joined(row source.Row, parts []int, buf []byte) (source.Value, []byte) {
	start := len(buf)
	for i, slot := range parts {
		if row[slot].Kind != source.Text {
			return source.Value{Kind: row[slot].Kind}, buf[:start]
		}
		if i > 0 {
			buf = append(buf, KeySeparator...)
		}
		buf = append(buf, row[slot].Data...)
	}
	return source.Value{Kind: source.Text, Data: buf[start:len(buf):len(buf)]}, buf
}
