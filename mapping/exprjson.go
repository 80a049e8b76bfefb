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

// memberExpr is one named part of an object.
type memberExpr struct {
	name string
	// head is ,"name": ready to be appended.
	head     []byte
	required bool
	value    expr
	mark     mark
}

// mark tells the members whose place in the payload is noted.
type mark uint8

const (
	markID mark = iota + 1
	markStatus
)

func newMember(name string, required bool, value expr) memberExpr {
	head := append(jsonscan.AppendString([]byte{','}, []byte(name)), ':')
	return memberExpr{name: name, head: head, required: required, value: value}
}

// objectExpr is an object of the members that have a value. It is no value
// when none has, or when one that the contract requires has not.
type objectExpr struct{ members []memberExpr }

func (x *objectExpr) text(*env) ([]byte, bool) { return nil, false }

func (x *objectExpr) json(dst []byte, e *env) ([]byte, bool) {
	start := len(dst)
	for i := range x.members {
		m := &x.members[i]
		if e.room > 0 {
			e.name = m.name
		}
		before := len(dst)
		out, ok := m.value.json(append(dst, m.head...), e)
		if ok {
			dst = out
			continue
		}
		if dst = out[:before]; m.required {
			return dst[:start], false
		}
	}
	if len(dst) == start {
		return dst, false
	}
	dst[start] = '{'
	return append(dst, '}'), true
}

func (x *objectExpr) walk(visit func(ref)) {
	for i := range x.members {
		x.members[i].value.walk(visit)
	}
}

// arrayExpr is a list of the elements that have a value; it is no value when
// none has.
type arrayExpr struct{ of []expr }

func (x *arrayExpr) text(*env) ([]byte, bool) { return nil, false }

func (x *arrayExpr) json(dst []byte, e *env) ([]byte, bool) {
	start := len(dst)
	for _, o := range x.of {
		before := len(dst)
		out, ok := o.json(append(dst, ','), e)
		if ok {
			dst = out
		} else {
			dst = out[:before]
		}
	}
	if len(dst) == start {
		return dst, false
	}
	dst[start] = '['
	return append(dst, ']'), true
}

func (x *arrayExpr) walk(visit func(ref)) {
	for _, o := range x.of {
		o.walk(visit)
	}
}

// mergeExpr is a JSON object with members added where it lacks them. Without
// the object it is the added members alone.
type mergeExpr struct {
	base  *jsonExpr
	with  objectExpr
	names []string
}

func (x *mergeExpr) text(*env) ([]byte, bool) { return nil, false }

func (x *mergeExpr) json(dst []byte, e *env) ([]byte, bool) {
	base, ok := x.base.raw(e)
	if ok && !e.fits(dst, len(base)) {
		if e.room == 0 {
			return append(dst, "{}"...), true
		}
		e.shortened, ok = true, false
	}
	if !ok {
		if e.toast != 0 {
			return dst, false
		}
		return x.with.json(dst, e)
	}
	start := len(dst)
	dst, ok = appendOpen(dst, base, x.names)
	if !ok {
		return dst[:start], false
	}
	added := false
	for i := range x.with.members {
		m := &x.with.members[i]
		if hasMember(base, m.name) {
			continue
		}
		before := len(dst)
		if dst, ok = m.value.json(append(dst, m.head...), e); ok {
			added = true
		} else {
			dst = dst[:before]
		}
	}
	if !added { // byte for byte, with the base's own spaces
		return append(dst[:start], base...), true
	}
	dst[start] = '{'
	return append(dst, '}'), true
}

func (x *mergeExpr) walk(visit func(ref)) {
	x.base.walk(visit)
	x.with.walk(visit)
}
