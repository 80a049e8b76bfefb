package mapping

import (
	"bytes"

	"chatbridge/internal/jsonscan"
)

// jsonExpr puts a JSON value into the payload as it is, or a part of it.
type jsonExpr struct {
	of   *columnExpr
	path []string
	// want is the form that the value must have; another one is no value.
	want form
	edit edit
	// member is what the value is of.
	member string
}

func (x *jsonExpr) raw(e *env) ([]byte, bool) {
	s, ok := x.of.text(e)
	if !ok {
		return nil, false
	}
	if e.most > 0 && len(s) > e.most && len(x.path) == 0 {
		f, ok := jsonForm(s) // it will not be copied, so it need not be read
		return s, ok && (x.want == formAny || x.want == f)
	}
	r := x.of.ref
	if t := e.trusted[r.table]; r.slot >= len(t) || !t[r.slot] {
		if !jsonscan.Valid(s) {
			return nil, false
		}
	}
	if s, ok = jsonscan.Descend(s, x.path); !ok {
		return nil, false
	}
	f, ok := jsonForm(s)
	return s, ok && (x.want == formAny || x.want == f)
}

// text is the text of a JSON string, and other values as they are written.
func (x *jsonExpr) text(e *env) ([]byte, bool) {
	s, ok := x.raw(e)
	if !ok {
		return nil, false
	}
	if !e.fits(nil, len(s)) && (e.room == 0 || len(s) > e.most) {
		return nil, false // it would be copied
	}
	s = bytes.TrimSpace(s)
	if s[0] != '"' {
		return s, true
	}
	start := len(e.scratch)
	e.scratch, ok = jsonscan.Unquote(e.scratch, s)
	return e.scratch[start:len(e.scratch):len(e.scratch)], ok
}

func (x *jsonExpr) json(dst []byte, e *env) ([]byte, bool) {
	s, ok := x.raw(e)
	if !ok {
		return dst, false
	}
	if !e.fits(dst, len(s)) {
		if e.room > 0 {
			return e.without(dst)
		}
		return append(dst, "null"...), true
	}
	if x.edit.none() {
		return append(dst, s...), true
	}
	change := x.edit
	change.counted = &e.countedJSON
	out, ok := appendEdited(dst, s, change, 0)
	if e.countedJSON {
		e.counted, e.countedJSON = x.member, false
	}
	if !ok {
		return dst, false
	}
	return out, true
}
func (x *jsonExpr) walk(visit func(ref)) { x.of.walk(visit) }

// pathExpr is the text at a place inside a JSON column.
type pathExpr struct{ of *jsonExpr }

func (x *pathExpr) text(e *env) ([]byte, bool)             { return x.of.text(e) }
func (x *pathExpr) json(dst []byte, e *env) ([]byte, bool) { return quoted(x, dst, e) }
func (x *pathExpr) walk(visit func(ref))                   { x.of.walk(visit) }
