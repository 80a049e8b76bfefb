package mapping

import "chatbridge/source"

// A status never steps back for want of a word. messageStatus is made of what
// the mapping knows alone: a row whose status has no word for it, such as
// DELETED, makes none. message needs a status: it is the one that the row had
// before, and only where that is not known the fallback of the mapping, the
// constant at the end of a list.

// beforeExpr is the value that the message's row had before, of Spec.kept[n].
type beforeExpr struct{ n uint8 }

func (x *beforeExpr) text(e *env) ([]byte, bool) {
	if e.kept == nil || len(e.kept.values) == 0 {
		return nil, false
	}
	return e.find.findKept(e, x.n)
}
func (x *beforeExpr) json(dst []byte, e *env) ([]byte, bool) { return quoted(x, dst, e) }
func (x *beforeExpr) walk(func(ref))                         {}

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
	c.spec.statusMember, c.spec.statusKept = known, len(c.spec.kept)
	c.spec.kept = append(c.spec.kept, known)
	m, _ := shapeOf[WebSocketMessage]("message").member("status")
	c.spec.statuses = m.enum
	return withBefore(x, &beforeExpr{uint8(c.spec.statusKept)})
}

// statusBefore returns the status of a message's last state by its
// fingerprint.
func (m *Mapper) statusBefore(was rowKey) ([]byte, bool) {
	prints := m.prints.get(was)
	if prints == nil {
		return nil, false
	}
	for _, s := range m.spec.statuses {
		if prints[len(prints)-1] == m.prints.hash(source.Value{Kind: source.Text, Data: []byte(s)}) {
			return []byte(s), true
		}
	}
	return nil, false
}

// noStatus notes a change to a status that means none to clients.
func (m *Mapper) noStatus() {
	if m.trying {
		return
	}
	for _, member := range m.env.unknown {
		m.unknownWord(member)
	}
	m.skip(skipStatus)
}
