package mapping

import "chatbridge/internal/jsonscan"

// numberExpr is a bare JSON number, digit for digit as Postgres prints it.
type numberExpr struct{ of expr }

func (x *numberExpr) text(e *env) ([]byte, bool) {
	s, ok := x.of.text(e)
	return s, ok && jsonscan.IsNumber(s)
}

func (x *numberExpr) json(dst []byte, e *env) ([]byte, bool) {
	s, ok := x.text(e)
	if !ok {
		return dst, false
	}
	return append(dst, s...), true
}
func (x *numberExpr) walk(visit func(ref)) { x.of.walk(visit) }

// boolExpr is true or false; null is false.
type boolExpr struct{ of expr }

func (x *boolExpr) text(e *env) ([]byte, bool) {
	if s, ok := x.of.text(e); ok && isTrue(s) {
		return []byte("true"), true
	}
	return []byte("false"), true
}

func (x *boolExpr) json(dst []byte, e *env) ([]byte, bool) {
	s, _ := x.text(e)
	return append(dst, s...), true
}
func (x *boolExpr) walk(visit func(ref)) { x.of.walk(visit) }

func isTrue(s []byte) bool { return string(s) == "t" || string(s) == "true" }
