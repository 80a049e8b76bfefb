package plan

import "chatbridge/internal/jsonscan"

// Number is a bare JSON number, digit for digit as Postgres prints it.
type Number struct{ Of Expr }

func (x *Number) Text(e *Env) ([]byte, bool) {
	s, ok := x.Of.Text(e)
	return s, ok && jsonscan.IsNumber(s)
}

func (x *Number) JSON(dst []byte, e *Env) ([]byte, bool) {
	s, ok := x.Text(e)
	if !ok {
		return dst, false
	}
	return append(dst, s...), true
}
func (x *Number) Walk(visit func(Ref)) { x.Of.Walk(visit) }

// Bool is true or false; null is false.
type Bool struct{ Of Expr }

func (x *Bool) Text(e *Env) ([]byte, bool) {
	if s, ok := x.Of.Text(e); ok && IsTrue(s) {
		return []byte("true"), true
	}
	return []byte("false"), true
}

func (x *Bool) JSON(dst []byte, e *Env) ([]byte, bool) {
	s, _ := x.Text(e)
	return append(dst, s...), true
}
func (x *Bool) Walk(visit func(Ref)) { x.Of.Walk(visit) }

func IsTrue(s []byte) bool { return string(s) == "t" || string(s) == "true" }
