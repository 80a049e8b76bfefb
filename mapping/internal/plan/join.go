package plan

// Join is the texts of several expressions with another between them; no value where
// one of them has none.
type Join struct {
	Of   []Expr
	With string
}

func (x *Join) Text(e *Env) ([]byte, bool) {
	var out []byte // Scratch is the expressions' own meanwhile
	for i, o := range x.Of {
		s, ok := o.Text(e)
		if !ok {
			return nil, false
		}
		if i > 0 {
			out = append(out, x.With...)
		}
		out = append(out, s...)
	}
	return out, true
}

func (x *Join) JSON(dst []byte, e *Env) ([]byte, bool) { return quoted(x, dst, e) }

func (x *Join) Walk(visit func(Ref)) {
	for _, o := range x.Of {
		o.Walk(visit)
	}
}
