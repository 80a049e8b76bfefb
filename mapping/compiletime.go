package mapping

import (
	"slices"

	"go.yaml.in/yaml/v3"
)

// unit compiles `unit:`, nil being none.
func (c *compiler) unit(n *yaml.Node) timeUnit {
	if n == nil {
		return noUnit
	}
	i := slices.Index(unitNames, n.Value)
	if i < 0 {
		c.fail(n, "there is no unit %q: %s", n.Value, accepted(n.Value, unitNames))
	}
	return timeUnit(i + 1)
}

func (c *compiler) timeHead(v, unit *yaml.Node, x expr) expr {
	t := &timeExpr{of: x, unit: c.unit(unit), member: c.member}
	if unit == nil {
		c.timeColumns(v, x)
	}
	return t
}

// timeColumns notes the columns that a time without a unit may be taken from.
func (c *compiler) timeColumns(v *yaml.Node, x expr) {
	switch x := x.(type) {
	case *columnExpr:
		c.spec.times = append(c.spec.times, timeColumn{ref: x.ref, at: c.place(v)})
	case *keptExpr:
		c.timeColumns(v, x.of)
	case *firstExpr:
		for _, o := range x.of {
			c.timeColumns(v, o)
		}
	case *ifExpr:
		c.timeColumns(v, x.then)
		c.timeColumns(v, x.els)
	}
}
