package plan

import "chatbridge/internal/jsonscan"

// Expr is one compiled expression of a mapping. Expressions are immutable;
// what varies is in the env.
type Expr interface {
	// Text returns the value as text, for comparing and translating; false
	// when there is none. It is valid until the env begins anew.
	Text(e *Env) ([]byte, bool)
	// JSON appends the value as JSON; false, with dst as it was, when there is
	// none.
	JSON(dst []byte, e *Env) ([]byte, bool)
	// Walk calls visit for each column that the expression may read.
	Walk(visit func(Ref))
}

// quoted is Expr.JSON of expressions whose value is text.
func quoted(x Expr, dst []byte, e *Env) ([]byte, bool) {
	s, ok := x.Text(e)
	if !ok {
		return dst, false
	}
	if len(s) > e.large {
		return e.appendLarge(dst, s)
	}
	return jsonscan.AppendString(dst, s), true
}

// Column is a column's text.
type Column struct{ Ref Ref }

func (x *Column) Text(e *Env) ([]byte, bool) { return e.text(x.Ref) }
func (x *Column) JSON(dst []byte, e *Env) ([]byte, bool) {
	s, ok := e.text(x.Ref)
	if !ok {
		return dst, false
	}
	if len(s) > e.large {
		return e.appendLarge(dst, s)
	}
	return jsonscan.AppendString(dst, s), true
}
func (x *Column) Walk(visit func(Ref)) { visit(x.Ref) }

// Const is a constant.
type Const struct{ Plain, Encoded []byte }

func (x *Const) Text(*Env) ([]byte, bool) { return x.Plain, x.Plain != nil }
func (x *Const) JSON(dst []byte, _ *Env) ([]byte, bool) {
	return append(dst, x.Encoded...), true
}
func (x *Const) Walk(func(Ref)) {}

// First is the first of several that has a value.
type First struct{ Of []Expr }

func (x *First) Text(e *Env) ([]byte, bool) {
	for _, o := range x.Of {
		if s, ok := o.Text(e); ok {
			return s, true
		}
	}
	return nil, false
}

func (x *First) JSON(dst []byte, e *Env) ([]byte, bool) {
	for _, o := range x.Of {
		if out, ok := o.JSON(dst, e); ok {
			return out, true
		}
	}
	return dst, false
}

func (x *First) Walk(visit func(Ref)) {
	for _, o := range x.Of {
		o.Walk(visit)
	}
}

// If is one of two by a condition.
type If struct {
	Cond       Condition
	Then, Else Expr // els may be nil
}

func (x *If) choose(e *Env) Expr {
	if x.Cond.Holds(e) {
		return x.Then
	}
	return x.Else
}

func (x *If) Text(e *Env) ([]byte, bool) {
	if o := x.choose(e); o != nil {
		return o.Text(e)
	}
	return nil, false
}

func (x *If) JSON(dst []byte, e *Env) ([]byte, bool) {
	if o := x.choose(e); o != nil {
		return o.JSON(dst, e)
	}
	return dst, false
}

func (x *If) Walk(visit func(Ref)) {
	x.Cond.Walk(visit)
	x.Then.Walk(visit)
	if x.Else != nil {
		x.Else.Walk(visit)
	}
}
