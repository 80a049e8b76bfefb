package mapping

import (
	"regexp"

	"chatbridge/internal/jsonscan"
)

// matchExpr lets text through that has a form.
type matchExpr struct {
	of    expr
	match func([]byte) bool
}

func (x *matchExpr) text(e *env) ([]byte, bool) {
	s, ok := x.of.text(e)
	return s, ok && x.match(s)
}

func (x *matchExpr) json(dst []byte, e *env) ([]byte, bool) {
	s, ok := x.of.text(e)
	if !ok || !x.match(s) {
		return dst, false
	}
	if len(s) > e.large {
		return e.appendLarge(dst, s)
	}
	return jsonscan.AppendString(dst, s), true
}
func (x *matchExpr) walk(visit func(ref)) { x.of.walk(visit) }

// beginsExpr lets text through that begins with another, or with not, that
// does not begin with it and is not empty; case matters.
type beginsExpr struct {
	of     expr
	prefix string
	not    bool
}

func (x *beginsExpr) text(e *env) ([]byte, bool) {
	s, ok := x.of.text(e)
	begins := len(s) >= len(x.prefix) && string(s[:len(x.prefix)]) == x.prefix
	return s, ok && len(s) > 0 && begins != x.not
}

func (x *beginsExpr) json(dst []byte, e *env) ([]byte, bool) {
	s, ok := x.text(e)
	if !ok {
		return dst, false
	}
	if len(s) > e.large {
		return e.appendLarge(dst, s)
	}
	return jsonscan.AppendString(dst, s), true
}
func (x *beginsExpr) walk(visit func(ref)) { x.of.walk(visit) }

func pattern(re *regexp.Regexp) func([]byte) bool { return re.Match }

// asExpr is text in another form.
type asExpr struct {
	of expr
	transform
}

func (x *asExpr) text(e *env) ([]byte, bool) {
	s, ok := x.of.text(e)
	if !ok || x.same != nil && x.same(s) {
		return s, ok
	}
	start := len(e.scratch)
	out, ok := x.to(e.scratch, s)
	if !ok {
		return nil, false
	}
	e.scratch = out
	return out[start:len(out):len(out)], true
}

func (x *asExpr) json(dst []byte, e *env) ([]byte, bool) {
	s, ok := x.of.text(e)
	if !ok {
		return dst, false
	}
	if x.same != nil && x.same(s) {
		return jsonscan.AppendString(dst, s), true
	}
	return quoted(x, dst, e)
}
func (x *asExpr) walk(visit func(ref)) { x.of.walk(visit) }
