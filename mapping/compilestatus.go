package mapping

// A status never steps back for want of a word. messageStatus is made of what
// the mapping knows alone: a row whose status has no word for it, such as
// DELETED, makes none. message needs a status: it is the one that the row had
// before, and only where that is not known the fallback of the mapping, the
// constant at the end of a list.

// withoutFallback is x without the constants that stand after something else
// in a list. Those of an `if:` stay: they are what the row says.
func withoutFallback(x expr) expr {
	switch x := x.(type) {
	case *firstExpr:
		var of []expr
		for i, o := range x.of {
			if _, fixed := o.(*constExpr); !fixed || i == 0 {
				of = append(of, withoutFallback(o))
			}
		}
		if len(of) == 1 {
			return of[0]
		}
		return &firstExpr{of}
	case *ifExpr:
		out := &ifExpr{cond: x.cond, then: withoutFallback(x.then)}
		if x.els != nil {
			out.els = withoutFallback(x.els)
		}
		return out
	case *wordsExpr:
		return &wordsExpr{of: withoutFallback(x.of), words: x.words, count: x.count}
	}
	return x
}

// withBefore is x with before in front of its fallback.
func withBefore(x expr, before expr) expr {
	switch x := x.(type) {
	case *constExpr:
		return x
	case *firstExpr:
		out := &firstExpr{}
		for i, o := range x.of {
			if _, fixed := o.(*constExpr); fixed && i > 0 && before != nil {
				out.of = append(out.of, before)
				before = nil
			}
			out.of = append(out.of, o)
		}
		if before != nil {
			out.of = append(out.of, before)
		}
		return out
	case *ifExpr:
		out := &ifExpr{cond: x.cond, then: withBefore(x.then, before), els: before}
		if x.els != nil {
			out.els = withBefore(x.els, before)
		}
		return out
	}
	return &firstExpr{[]expr{withoutFallback(x), before, x}}
}

// status takes the status of message apart: it returns the member's value and
// keeps what messageStatus is made of.
func (c *compiler) status(x expr) expr {
	known := withoutFallback(x)
	c.spec.plan.statusMember, c.spec.plan.statusKept = known, len(c.spec.plan.kept)
	c.spec.plan.kept = append(c.spec.plan.kept, known)
	m, _ := shapeOf[WebSocketMessage]("message").member("status")
	c.spec.plan.statuses = m.enum
	return withBefore(x, &beforeExpr{uint8(c.spec.plan.statusKept)})
}
