package postgres

import (
	"context"
	"log/slog"
	"unicode/utf8"

	"chatbridge/source"
	"chatbridge/source/postgres/pgoutput"

	"golang.org/x/text/encoding/charmap"
)

// The server converts text to UTF-8 for us. It cannot where the database is in
// SQL_ASCII, which is any bytes at all, or where a value holds a byte that its
// encoding has no character for: the stream then fails at that row each time, and
// the slot cannot advance. Such a stream is requested in the database's encoding
// and converted here; bytes that are no character become U+FFFD.

// charmaps are the encodings of one byte a character, by Postgres's names.
var charmaps = map[string]*charmap.Charmap{
	"LATIN1": charmap.ISO8859_1, "LATIN2": charmap.ISO8859_2, "LATIN3": charmap.ISO8859_3, "LATIN4": charmap.ISO8859_4,
	"LATIN5": charmap.ISO8859_9, "LATIN6": charmap.ISO8859_10, "LATIN7": charmap.ISO8859_13, "LATIN8": charmap.ISO8859_14,
	"LATIN9": charmap.ISO8859_15, "LATIN10": charmap.ISO8859_16, "ISO_8859_5": charmap.ISO8859_5, "ISO_8859_6": charmap.ISO8859_6,
	"ISO_8859_7": charmap.ISO8859_7, "ISO_8859_8": charmap.ISO8859_8, "KOI8R": charmap.KOI8R, "KOI8U": charmap.KOI8U,
	"WIN866": charmap.CodePage866, "WIN874": charmap.Windows874, "WIN1250": charmap.Windows1250, "WIN1251": charmap.Windows1251,
	"WIN1252": charmap.Windows1252, "WIN1253": charmap.Windows1253, "WIN1254": charmap.Windows1254, "WIN1255": charmap.Windows1255,
	"WIN1256": charmap.Windows1256, "WIN1257": charmap.Windows1257, "WIN1258": charmap.Windows1258,
}

// sqlASCII is the encoding that is none.
const sqlASCII = "SQL_ASCII"

// toUTF8 converts text of an encoding, and tells whether anything in it had to
// be replaced. Text that needs no conversion is returned as it is. Of an
// encoding that is not known here, only ASCII is.
func toUTF8(encoding string, text []byte) (converted []byte, replaced bool) {
	ascii := true
	for _, b := range text {
		if b >= utf8.RuneSelf {
			ascii = false
			break
		}
	}
	if ascii || (encoding == sqlASCII || encoding == "UTF8") && utf8.Valid(text) {
		return text, false
	}
	out := make([]byte, 0, len(text)+len(text)/2)
	table := charmaps[encoding]
	for len(text) > 0 {
		r, size := rune(text[0]), 1
		switch {
		case text[0] < utf8.RuneSelf:
		case table != nil:
			r = table.DecodeByte(text[0])
		case encoding == sqlASCII || encoding == "UTF8":
			r, size = utf8.DecodeRune(text)
		default:
			r = utf8.RuneError
		}
		replaced = replaced || r == utf8.RuneError
		out = utf8.AppendRune(out, r)
		text = text[size:]
	}
	return out, replaced
}

// convert converts the row's text where the stream is in the database's own
// encoding.
func (r *reading) convert(rel *source.Relation, row source.Row) {
	if r.s.raw == "" {
		return
	}
	for i := range row {
		if row[i].Kind != source.Text {
			continue
		}
		text, replaced := toUTF8(r.s.raw, row[i].Data)
		row[i].Data = text
		if replaced && r.s.counters.replaced.Add(1) == 1 {
			r.s.opts.Logger.LogAttrs(context.Background(), slog.LevelWarn, "bytes that are no characters were replaced: by U+FFFD, which is said once and counted",
				slog.String("table", rel.Schema+"."+rel.Name), slog.String("column", rel.Columns[i].Name), slog.String("encoding", r.s.raw),
				slog.String("remedy", "move to a database with ENCODING 'UTF8'"))
		}
	}
}

// name converts an identifier.
func (r *reading) name(s string) string {
	if r.s.raw == "" {
		return s
	}
	text, _ := toUTF8(r.s.raw, []byte(s))
	return string(text)
}

// rename converts the names of a table.
func (r *reading) rename(m *pgoutput.Relation) {
	m.Schema, m.Name = r.name(m.Schema), r.name(m.Name)
	for i := range m.Columns {
		m.Columns[i].Name = r.name(m.Columns[i].Name)
	}
}
