package mapping

import (
	"slices"

	"chatbridge/internal/nearest"
	"chatbridge/mapping/internal/convert"
	"chatbridge/mapping/internal/plan"

	"go.yaml.in/yaml/v3"
)

// unit compiles `unit:`, nil being none.
func (c *compiler) unit(n *yaml.Node) convert.Unit {
	if n == nil {
		return convert.NoUnit
	}
	i := slices.Index(convert.UnitNames, n.Value)
	if i < 0 {
		c.fail(n, "there is no unit %q: %s", n.Value, nearest.Hint(n.Value, convert.UnitNames))
	}
	return convert.Unit(i + 1)
}

func (c *compiler) timeHead(v, unit *yaml.Node, x plan.Expr) plan.Expr {
	t := &plan.Time{Of: x, Unit: c.unit(unit), Member: c.member}
	if unit == nil {
		c.timeColumns(v, x)
	}
	return t
}

// timeColumns notes the columns that a time without a unit may be taken from.
func (c *compiler) timeColumns(v *yaml.Node, x plan.Expr) {
	switch x := x.(type) {
	case *plan.Column:
		c.spec.times = append(c.spec.times, timeColumn{ref: x.Ref, at: c.place(v)})
	case *plan.Kept:
		c.timeColumns(v, x.Of)
	case *plan.First:
		for _, o := range x.Of {
			c.timeColumns(v, o)
		}
	case *plan.If:
		c.timeColumns(v, x.Then)
		c.timeColumns(v, x.Else)
	}
}
