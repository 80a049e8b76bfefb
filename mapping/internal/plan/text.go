package plan

import (
	"chatbridge/internal/jsonscan"
	"chatbridge/mapping/internal/convert"
)

// Match lets text through that has a form.
type Match struct {
	Of    Expr
	Match func([]byte) bool
}

func (x *Match) Text(e *Env) ([]byte, bool) {
	s, ok := x.Of.Text(e)
	return s, ok && x.Match(s)
}

func (x *Match) JSON(dst []byte, e *Env) ([]byte, bool) {
	s, ok := x.Of.Text(e)
	if !ok || !x.Match(s) {
		return dst, false
	}
	if len(s) > e.large {
		return e.appendLarge(dst, s)
	}
	return jsonscan.AppendString(dst, s), true
}
func (x *Match) Walk(visit func(Ref)) { x.Of.Walk(visit) }

// Begins lets text through that begins with another, or with not, that
// does not begin with it and is not empty; case matters.
type Begins struct {
	Of     Expr
	Prefix string
	Not    bool
}

func (x *Begins) Text(e *Env) ([]byte, bool) {
	s, ok := x.Of.Text(e)
	begins := len(s) >= len(x.Prefix) && string(s[:len(x.Prefix)]) == x.Prefix
	return s, ok && len(s) > 0 && begins != x.Not
}

func (x *Begins) JSON(dst []byte, e *Env) ([]byte, bool) {
	s, ok := x.Text(e)
	if !ok {
		return dst, false
	}
	if len(s) > e.large {
		return e.appendLarge(dst, s)
	}
	return jsonscan.AppendString(dst, s), true
}
func (x *Begins) Walk(visit func(Ref)) { x.Of.Walk(visit) }

// As is text in another form.
type As struct {
	Of Expr
	convert.Transform
}

func (x *As) Text(e *Env) ([]byte, bool) {
	s, ok := x.Of.Text(e)
	if !ok || x.Same != nil && x.Same(s) {
		return s, ok
	}
	start := len(e.Scratch)
	out, ok := x.To(e.Scratch, s)
	if !ok {
		return nil, false
	}
	e.Scratch = out
	return out[start:len(out):len(out)], true
}

func (x *As) JSON(dst []byte, e *Env) ([]byte, bool) {
	s, ok := x.Of.Text(e)
	if !ok {
		return dst, false
	}
	if x.Same != nil && x.Same(s) {
		return jsonscan.AppendString(dst, s), true
	}
	return quoted(x, dst, e)
}
func (x *As) Walk(visit func(Ref)) { x.Of.Walk(visit) }
