package plan

import (
	"bytes"

	"chatbridge/internal/jsonscan"
	"chatbridge/mapping/internal/convert"
)

// JSON puts a JSON value into the payload as it is, or a part of it.
type JSON struct {
	Of   *Column
	Path []string
	// Want is the form that the value must have; another one is no value.
	Want convert.Form
	Edit convert.Edit
	// AsIs: a place is looked for in the value as it is; otherwise, where that is a
	// text that has JSON in it, in this.
	AsIs bool
	// Member is what the value is of.
	Member string
}

func (x *JSON) raw(e *Env) ([]byte, bool) {
	s, ok := x.Of.Text(e)
	if !ok {
		return nil, false
	}
	if e.Most > 0 && len(s) > e.Most && len(x.Path) == 0 {
		f, ok := convert.JSONForm(s) // it will not be copied, so it need not be read
		return s, ok && (x.Want == convert.FormAny || x.Want == f)
	}
	r := x.Of.Ref
	if t := e.Trusted[r.Table]; r.Slot >= len(t) || !t[r.Slot] {
		if !jsonscan.Valid(s) {
			return nil, false
		}
	}
	if s, ok = x.descend(s, e); !ok {
		return nil, false
	}
	f, ok := convert.JSONForm(s)
	return s, ok && (x.Want == convert.FormAny || x.Want == f)
}

// descend finds the place in s that Path says. Some applications write JSON as text
// into a JSON column.
func (x *JSON) descend(s []byte, e *Env) ([]byte, bool) {
	if len(x.Path) == 0 || x.AsIs {
		return jsonscan.Descend(s, x.Path)
	}
	if s = bytes.TrimSpace(s); s[0] != '"' {
		return jsonscan.Descend(s, x.Path)
	}
	if e.Most > 0 && len(s) > e.Most {
		return nil, false // it would be copied
	}
	start := len(e.Scratch)
	var ok bool
	e.Scratch, ok = jsonscan.Unquote(e.Scratch, s)
	inner := e.Scratch[start:len(e.Scratch):len(e.Scratch)]
	if !ok || !jsonscan.Valid(inner) {
		return nil, false
	}
	return jsonscan.Descend(inner, x.Path)
}

// Text is the text of a JSON string, and other values as they are written.
func (x *JSON) Text(e *Env) ([]byte, bool) {
	s, ok := x.raw(e)
	if !ok {
		return nil, false
	}
	if !e.fits(nil, len(s)) && (e.room == 0 || len(s) > e.Most) {
		return nil, false // it would be copied
	}
	s = bytes.TrimSpace(s)
	if s[0] != '"' {
		return s, true
	}
	start := len(e.Scratch)
	e.Scratch, ok = jsonscan.Unquote(e.Scratch, s)
	return e.Scratch[start:len(e.Scratch):len(e.Scratch)], ok
}

func (x *JSON) JSON(dst []byte, e *Env) ([]byte, bool) {
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
	if x.Edit.None() {
		return append(dst, s...), true
	}
	change := x.Edit
	change.Unitless = &e.unitlessJSON
	out, ok := change.Append(dst, s)
	if e.unitlessJSON {
		e.Unitless, e.unitlessJSON = x.Member, false
	}
	if !ok {
		return dst, false
	}
	return out, true
}
func (x *JSON) Walk(visit func(Ref)) { x.Of.Walk(visit) }

// Path is the text at a place inside a JSON column.
type Path struct{ Of *JSON }

func (x *Path) Text(e *Env) ([]byte, bool)             { return x.Of.Text(e) }
func (x *Path) JSON(dst []byte, e *Env) ([]byte, bool) { return quoted(x, dst, e) }
func (x *Path) Walk(visit func(Ref))                   { x.Of.Walk(visit) }
