package mapping

import "go.yaml.in/yaml/v3"

// maxKeptExprs bounds the expressions with `kept:` of a mapping.
const maxKeptExprs = 16

// keptHead compiles {kept: x}. What is kept is read off rows of messages one
// by one, old ones too, so it cannot come from other tables.
func (c *compiler) keptHead(v *yaml.Node, m shapeMember, depth int) expr {
	if c.section != messageTable {
		c.fail(v, "`kept:` is for members of message")
		return nil
	}
	x := c.compile(v, shapeMember{name: m.name, form: formText}, depth+1)
	if x == nil || c.formed(v, m, formText, x) == nil {
		return nil
	}
	own := true
	x.walk(func(r ref) { own = own && r.table == messageTable })
	switch {
	case !own:
		c.fail(v, "`kept:` reads columns of the message alone")
		return nil
	case len(c.spec.plan.kept) > maxKeptExprs:
		c.fail(v, "more than %d expressions with `kept:`", maxKeptExprs)
		return nil
	}
	c.spec.plan.kept = append(c.spec.plan.kept, x)
	return &keptExpr{of: x, n: uint8(len(c.spec.plan.kept) - 1)}
}
