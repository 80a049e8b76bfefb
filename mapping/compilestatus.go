package mapping

import (
	"chatbridge/mapping/contract"
	"chatbridge/mapping/internal/plan"
)

// A status never steps back for want of a word. messageStatus is made of what
// the mapping knows alone: a row whose status has no word for it, such as
// DELETED, makes none. message needs a status: it is the one that the row had
// before, and only where that is not known the fallback of the mapping, the
// constant at the end of a list.

// withoutFallback is x without the constants that stand after something else
// in a list. Those of an `if:` stay: they are what the row says.
func withoutFallback(x plan.Expr) plan.Expr {
	switch x := x.(type) {
	case *plan.First:
		var of []plan.Expr
		for i, o := range x.Of {
			if _, fixed := o.(*plan.Const); !fixed || i == 0 {
				of = append(of, withoutFallback(o))
			}
		}
		if len(of) == 1 {
			return of[0]
		}
		return &plan.First{Of: of}
	case *plan.If:
		out := &plan.If{Cond: x.Cond, Then: withoutFallback(x.Then)}
		if x.Else != nil {
			out.Else = withoutFallback(x.Else)
		}
		return out
	case *plan.Words:
		return &plan.Words{Of: withoutFallback(x.Of), Words: x.Words, Count: x.Count}
	}
	return x
}

// withBefore is x with before in front of its fallback.
func withBefore(x plan.Expr, before plan.Expr) plan.Expr {
	switch x := x.(type) {
	case *plan.Const:
		return x
	case *plan.First:
		out := &plan.First{}
		for i, o := range x.Of {
			if _, fixed := o.(*plan.Const); fixed && i > 0 && before != nil {
				out.Of = append(out.Of, before)
				before = nil
			}
			out.Of = append(out.Of, o)
		}
		if before != nil {
			out.Of = append(out.Of, before)
		}
		return out
	case *plan.If:
		out := &plan.If{Cond: x.Cond, Then: withBefore(x.Then, before), Else: before}
		if x.Else != nil {
			out.Else = withBefore(x.Else, before)
		}
		return out
	}
	return &plan.First{Of: []plan.Expr{withoutFallback(x), before, x}}
}

// status takes the status of message apart: it returns the member's value and
// keeps what messageStatus is made of.
func (c *compiler) status(x plan.Expr) plan.Expr {
	known := withoutFallback(x)
	c.spec.plan.StatusMember, c.spec.plan.StatusKept = known, len(c.spec.plan.Kept)
	c.spec.plan.Kept = append(c.spec.plan.Kept, known)
	m, _ := formOf[contract.WebSocketMessage]("message").member("status")
	c.spec.plan.Statuses = m.enum
	return withBefore(x, &plan.Before{N: uint8(c.spec.plan.StatusKept)})
}
