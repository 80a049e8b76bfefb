package mapping

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
