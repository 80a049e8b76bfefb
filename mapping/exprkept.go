package mapping

// keptExpr is an expression's value or, where the message's row has none by
// now, the one that the row had before. The CRM needs it for the id that it
// gave a message when it sent it: the column that has it gets WhatsApp's id a
// moment later.
type keptExpr struct {
	of expr
	// n is its place in Spec.kept.
	n uint8
}

func (x *keptExpr) text(e *env) ([]byte, bool) {
	if s, ok := x.of.text(e); ok {
		return s, true
	}
	return e.find.findKept(e, x.n)
}

func (x *keptExpr) json(dst []byte, e *env) ([]byte, bool) {
	if out, ok := x.of.json(dst, e); ok {
		return out, true
	}
	return quoted(x, dst, e)
}
func (x *keptExpr) walk(visit func(ref)) { x.of.walk(visit) }

// beforeExpr is the value that the message's row had before, of Spec.kept[n].
type beforeExpr struct{ n uint8 }

func (x *beforeExpr) text(e *env) ([]byte, bool) {
	return e.find.findKept(e, x.n)
}
func (x *beforeExpr) json(dst []byte, e *env) ([]byte, bool) { return quoted(x, dst, e) }
func (x *beforeExpr) walk(func(ref))                         {}
