package plan

// Kept is an expression's value or, where the message's row has none by now,
// the one that the row had before. The CRM needs it for the id that it gave a
// message when it sent it: the column that has it gets WhatsApp's id a moment
// later.
type Kept struct {
	Of Expr
	// N is its place in Plan.Kept.
	N uint8
}

func (x *Kept) Text(e *Env) ([]byte, bool) {
	if s, ok := x.Of.Text(e); ok {
		return s, true
	}
	return e.Find.FindKept(e, x.N)
}

func (x *Kept) JSON(dst []byte, e *Env) ([]byte, bool) {
	out, ok := x.Of.JSON(dst, e)
	if ok {
		return out, true
	}
	if _, ok = e.Find.FindKept(e, x.N); !ok {
		return out, false
	}
	return quoted(x, dst, e)
}
func (x *Kept) Walk(visit func(Ref)) { x.Of.Walk(visit) }

// Before is the value of Plan.Kept[N] that the message's row had before.
type Before struct{ N uint8 }

func (x *Before) Text(e *Env) ([]byte, bool)             { return e.Find.FindKept(e, x.N) }
func (x *Before) JSON(dst []byte, e *Env) ([]byte, bool) { return quoted(x, dst, e) }
func (x *Before) Walk(func(Ref))                         {}
