package plan

import (
	"chatbridge/internal/jsonscan"
	"chatbridge/mapping/internal/convert"
)

// Member is one named part of an object.
type Member struct {
	Name string
	// Head is ,"name": ready to be appended.
	Head     []byte
	Required bool
	Value    Expr
	Mark     Mark
}

// Mark tells the members whose place in the payload is noted.
type Mark uint8

const (
	MarkID Mark = iota + 1
	MarkStatus
)

func NewMember(name string, required bool, value Expr) Member {
	head := append(jsonscan.AppendString([]byte{','}, []byte(name)), ':')
	return Member{Name: name, Head: head, Required: required, Value: value}
}

// Object is an object of the members that have a value. It is no value
// when none has, or when one that the contract requires has not.
type Object struct{ Members []Member }

func (x *Object) Text(*Env) ([]byte, bool) { return nil, false }

func (x *Object) JSON(dst []byte, e *Env) ([]byte, bool) {
	start := len(dst)
	for i := range x.Members {
		m := &x.Members[i]
		if e.room > 0 {
			e.name = m.Name
		}
		before := len(dst)
		out, ok := m.Value.JSON(append(dst, m.Head...), e)
		if ok {
			dst = out
			continue
		}
		if dst = out[:before]; m.Required {
			return dst[:start], false
		}
	}
	if len(dst) == start {
		return dst, false
	}
	dst[start] = '{'
	return append(dst, '}'), true
}

func (x *Object) Walk(visit func(Ref)) {
	for i := range x.Members {
		x.Members[i].Value.Walk(visit)
	}
}

// Array is a list of the elements that have a value; it is no value when
// none has.
type Array struct{ Of []Expr }

func (x *Array) Text(*Env) ([]byte, bool) { return nil, false }

func (x *Array) JSON(dst []byte, e *Env) ([]byte, bool) {
	start := len(dst)
	for _, o := range x.Of {
		before := len(dst)
		out, ok := o.JSON(append(dst, ','), e)
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

func (x *Array) Walk(visit func(Ref)) {
	for _, o := range x.Of {
		o.Walk(visit)
	}
}

// Merge is a JSON object with members added where it lacks them. Without
// the object it is the added members alone.
type Merge struct {
	Base  *JSON
	With  Object
	Names []string
}

func (x *Merge) Text(*Env) ([]byte, bool) { return nil, false }

func (x *Merge) JSON(dst []byte, e *Env) ([]byte, bool) {
	base, ok := x.Base.raw(e)
	if ok && !e.fits(dst, len(base)) {
		if e.room == 0 {
			return append(dst, "{}"...), true
		}
		e.Shortened, ok = true, false
	}
	if !ok {
		if e.Unsent != 0 {
			return dst, false
		}
		return x.With.JSON(dst, e)
	}
	start := len(dst)
	dst, ok = convert.AppendOpen(dst, base, x.Names)
	if !ok {
		return dst[:start], false
	}
	added := false
	for i := range x.With.Members {
		m := &x.With.Members[i]
		if convert.HasMember(base, m.Name) {
			continue
		}
		before := len(dst)
		if dst, ok = m.Value.JSON(append(dst, m.Head...), e); ok {
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

func (x *Merge) Walk(visit func(Ref)) {
	x.Base.Walk(visit)
	x.With.Walk(visit)
}
