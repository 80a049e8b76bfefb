package mapping

import (
	"chatbridge/mapping/internal/convert"
	"chatbridge/mapping/internal/plan"

	"go.yaml.in/yaml/v3"
)

// joined compiles {join: [a, b], with: "-"}.
func (c *compiler) joined(n *yaml.Node, k map[string]*yaml.Node, m memberForm, depth int) plan.Expr {
	list, with := k["join"], k["with"]
	if list.Kind != yaml.SequenceNode || len(list.Content) < 2 {
		c.fail(n, "`join:` takes a list of expressions")
		return nil
	}
	if with == nil || with.Kind != yaml.ScalarNode || with.Value == "" {
		c.fail(n, "`join:` needs `with:`, the text that stands between the values, such as {join: [a, b], with: \"-\"}")
		return nil
	}
	x := &plan.Join{With: with.Value}
	for _, e := range list.Content {
		of := c.compile(e, memberForm{name: m.name, form: convert.FormText}, depth+1)
		if of == nil {
			return nil
		}
		x.Of = append(x.Of, of)
	}
	return c.formed(n, m, convert.FormText, x)
}
