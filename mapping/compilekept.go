package mapping

import (
	"reflect"
	"slices"

	"chatbridge/mapping/internal/convert"
	"chatbridge/mapping/internal/plan"

	"go.yaml.in/yaml/v3"
)

// maxKeptExprs bounds the expressions with `kept:` of a mapping.
const maxKeptExprs = 16

// keptHead compiles {kept: x}. What is kept is read off rows of messages one
// by one, old ones too, so it cannot come from other tables.
func (c *compiler) keptHead(v *yaml.Node, m memberForm, depth int) plan.Expr {
	if c.section != plan.MessageTable {
		c.fail(v, "`kept:` is for members of message")
		return nil
	}
	x := c.compile(v, memberForm{name: m.name, form: convert.FormText}, depth+1)
	if x == nil || c.formed(v, m, convert.FormText, x) == nil {
		return nil
	}
	switch {
	case !ownColumns(x):
		c.fail(v, "`kept:` reads columns of the message alone")
		return nil
	case len(c.spec.plan.Kept) > maxKeptExprs:
		c.fail(v, "more than %d expressions with `kept:`", maxKeptExprs)
		return nil
	}
	n := slices.IndexFunc(c.spec.plan.Kept, func(o plan.Expr) bool { return reflect.DeepEqual(o, x) })
	if n < 0 { // the same twice is kept once
		n = len(c.spec.plan.Kept)
		c.spec.plan.Kept = append(c.spec.plan.Kept, x)
	}
	return &plan.Kept{Of: x, N: uint8(n)}
}

// ownColumns reports whether an expression reads columns of the message alone.
func ownColumns(x plan.Expr) bool {
	own := true
	x.Walk(func(r plan.Ref) { own = own && r.Table == plan.MessageTable })
	return own
}
