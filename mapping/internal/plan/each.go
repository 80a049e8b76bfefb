package plan

// Each is a list: an expression's value for each row of a table that points to the
// message, of those that have one. It is no value when none has.
type Each struct {
	Table TableID
	Of    Expr
}

func (x *Each) Text(*Env) ([]byte, bool) { return nil, false }

func (x *Each) JSON(dst []byte, e *Env) ([]byte, bool) {
	start := len(dst)
	row, asked := e.Rows[x.Table], e.asked[x.Table]
	for _, one := range e.Find.FindRows(e, x.Table) {
		e.Set(x.Table, one)
		before := len(dst)
		out, ok := x.Of.JSON(append(dst, ','), e)
		if dst = out; !ok {
			dst = out[:before]
		}
	}
	e.Rows[x.Table], e.asked[x.Table] = row, asked
	if len(dst) == start {
		return dst, false
	}
	dst[start] = '['
	return append(dst, ']'), true
}

func (x *Each) Walk(visit func(Ref)) { x.Of.Walk(visit) }
