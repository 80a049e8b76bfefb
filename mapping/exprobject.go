package mapping

import "chatbridge/internal/jsonscan"

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
