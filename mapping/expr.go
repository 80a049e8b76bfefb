package mapping

import "chatbridge/internal/jsonscan"

// expr is one compiled expression of a mapping. Expressions are immutable;
// what varies is in the env.
type expr interface {
	// text returns the value as text, for comparing and translating; false
	// when there is none. It is valid until the env begins anew.
	text(e *env) ([]byte, bool)
	// json appends the value as JSON; false, with dst as it was, when there is
	// none.
	json(dst []byte, e *env) ([]byte, bool)
	// walk calls visit for each column that the expression may read.
	walk(visit func(ref))
}

// quoted is embedded by expressions whose value is text.
func quoted(x expr, dst []byte, e *env) ([]byte, bool) {
	s, ok := x.text(e)
	if !ok {
		return dst, false
	}
	if len(s) > e.large {
		return e.appendLarge(dst, s)
	}
	return jsonscan.AppendString(dst, s), true
}

// columnExpr is a column's text.
type columnExpr struct{ ref ref }

func (x *columnExpr) text(e *env) ([]byte, bool) { return e.text(x.ref) }
func (x *columnExpr) json(dst []byte, e *env) ([]byte, bool) {
	s, ok := e.text(x.ref)
	if !ok {
		return dst, false
	}
	if len(s) > e.large {
		return e.appendLarge(dst, s)
	}
	return jsonscan.AppendString(dst, s), true
}
func (x *columnExpr) walk(visit func(ref)) { visit(x.ref) }

// constExpr is a constant.
type constExpr struct{ plain, encoded []byte }

func (x *constExpr) text(*env) ([]byte, bool) { return x.plain, x.plain != nil }
func (x *constExpr) json(dst []byte, _ *env) ([]byte, bool) {
	return append(dst, x.encoded...), true
}
func (x *constExpr) walk(func(ref)) {}

// firstExpr is the first of several that has a value.
type firstExpr struct{ of []expr }

func (x *firstExpr) text(e *env) ([]byte, bool) {
	for _, o := range x.of {
		if s, ok := o.text(e); ok {
			return s, true
		}
	}
	return nil, false
}

func (x *firstExpr) json(dst []byte, e *env) ([]byte, bool) {
	for _, o := range x.of {
		if out, ok := o.json(dst, e); ok {
			return out, true
		}
	}
	return dst, false
}

func (x *firstExpr) walk(visit func(ref)) {
	for _, o := range x.of {
		o.walk(visit)
	}
}

// ifExpr is one of two by a condition.
type ifExpr struct {
	cond      condition
	then, els expr // els may be nil
}

func (x *ifExpr) choose(e *env) expr {
	if x.cond.holds(e) {
		return x.then
	}
	return x.els
}

func (x *ifExpr) text(e *env) ([]byte, bool) {
	if o := x.choose(e); o != nil {
		return o.text(e)
	}
	return nil, false
}

func (x *ifExpr) json(dst []byte, e *env) ([]byte, bool) {
	if o := x.choose(e); o != nil {
		return o.json(dst, e)
	}
	return dst, false
}

func (x *ifExpr) walk(visit func(ref)) {
	x.cond.walk(visit)
	x.then.walk(visit)
	if x.els != nil {
		x.els.walk(visit)
	}
}

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

// timeExpr prints a time as the contract does.
type timeExpr struct {
	of   expr
	unit timeUnit
	// member is what the time is of.
	member string
}

func (x *timeExpr) text(e *env) ([]byte, bool) {
	s, ok := x.of.text(e)
	if !ok {
		return nil, false
	}
	start := len(e.scratch)
	if e.scratch, ok = x.append(e.scratch, s, e); !ok {
		return nil, false
	}
	return e.scratch[start:len(e.scratch):len(e.scratch)], true
}

func (x *timeExpr) append(dst, s []byte, e *env) ([]byte, bool) {
	if out, ok := appendTime(dst, s); ok {
		return out, true
	}
	out, ok, counted := appendTimeOf(dst, s, x.unit)
	if counted {
		e.counted = x.member
	}
	return out, ok
}

func (x *timeExpr) json(dst []byte, e *env) ([]byte, bool) {
	s, ok := x.of.text(e)
	if !ok {
		return dst, false
	}
	out, ok := x.append(append(dst, '"'), s, e)
	if !ok {
		return dst, false
	}
	return append(out, '"'), true
}
func (x *timeExpr) walk(visit func(ref)) { x.of.walk(visit) }

// commitTimeExpr is the time at which the transaction committed.
type commitTimeExpr struct{}

func (x commitTimeExpr) text(e *env) ([]byte, bool) {
	if e.time.IsZero() {
		return nil, false
	}
	start := len(e.scratch)
	var ok bool
	e.scratch, ok = appendMillis(e.scratch, e.time.UnixMilli())
	return e.scratch[start:len(e.scratch):len(e.scratch)], ok
}
func (x commitTimeExpr) json(dst []byte, e *env) ([]byte, bool) { return quoted(x, dst, e) }
func (x commitTimeExpr) walk(func(ref))                         {}

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
