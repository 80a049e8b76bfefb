package mapping

import (
	"strings"

	"chatbridge/mapping/internal/plan"

	"go.yaml.in/yaml/v3"
)

func (c *compiler) ifHead(n *yaml.Node, k map[string]*yaml.Node, m memberForm, depth int) plan.Expr {
	if k["then"] == nil {
		c.fail(n, "`if:` needs `then:`")
		return nil
	}
	x := &plan.If{Cond: c.condition(k["if"], depth+1), Then: c.compile(k["then"], m, depth+1)}
	if k["else"] != nil {
		if x.Else = c.compile(k["else"], m, depth+1); x.Else == nil {
			return nil
		}
	}
	if x.Cond == nil || x.Then == nil {
		return nil
	}
	return x
}

// condition compiles a condition: the name of a column (it has a value), a
// column among words, or any, all, not of others.
func (c *compiler) condition(n *yaml.Node, depth int) plan.Condition {
	n = deref(n)
	if depth > maxExprDepth {
		c.fail(n, "conditions nest deeper than %d", maxExprDepth)
		return nil
	}
	if n.Kind == yaml.ScalarNode {
		if x := c.column(n); x != nil {
			return &plan.Present{Of: x}
		}
		return nil
	}
	k := c.keys(n, "a condition", "column", "path", "is", "in", "shape", "begins", "begins_not", "matches", "any", "all", "not")
	switch {
	case k["any"] != nil:
		if of := c.conditions(k["any"], depth); of != nil {
			return &plan.Any{Of: of}
		}
	case k["all"] != nil:
		if of := c.conditions(k["all"], depth); of != nil {
			return &plan.All{Of: of}
		}
	case k["not"] != nil:
		if of := c.condition(k["not"], depth+1); of != nil {
			return &plan.Not{Of: of}
		}
	case k["column"] != nil:
		return c.columnCondition(n, k)
	default:
		c.fail(n, "a condition has one of column, any, all, not")
	}
	return nil
}

func (c *compiler) conditions(n *yaml.Node, depth int) []plan.Condition {
	if n.Kind != yaml.SequenceNode || len(n.Content) == 0 {
		c.fail(n, "a list of conditions is wanted here")
		return nil
	}
	var out []plan.Condition
	for _, e := range n.Content {
		x := c.condition(e, depth+1)
		if x == nil {
			return nil
		}
		out = append(out, x)
	}
	return out
}

func (c *compiler) columnCondition(n *yaml.Node, k map[string]*yaml.Node) plan.Condition {
	x := c.columnHead(k["column"], k, memberForm{})
	if x == nil {
		return nil
	}
	if x = c.filtered(x, k); x == nil {
		return nil
	}
	var words []*yaml.Node
	switch {
	case k["is"] != nil && k["in"] != nil:
		c.fail(k["in"], "`is:` and `in:` are one too many: put the value into the list of `in:`")
		return nil
	case k["is"] != nil:
		words = []*yaml.Node{k["is"]}
	case k["in"] != nil && k["in"].Kind == yaml.SequenceNode:
		words = k["in"].Content
	case k["in"] != nil:
		c.fail(k["in"], "`in:` takes a list")
		return nil
	default:
		return &plan.Present{Of: x}
	}
	cond := &plan.In{Of: x}
	defer func() { c.wordCondition(n, x, cond) }()
	for _, w := range words {
		switch w = deref(w); {
		case isNullNode(w):
			cond.Null = true
		case w.ShortTag() == "!!bool":
			// Postgres prints t and f, Realtime true and false; YAML knows True and TRUE too.
			word := strings.ToLower(w.Value)
			cond.Words = append(cond.Words, word[:1], word)
		default:
			cond.Words = append(cond.Words, w.Value)
		}
	}
	return cond
}

// wordCondition notes a condition on a column's own text, to be compared with its type.
func (c *compiler) wordCondition(n *yaml.Node, x plan.Expr, cond *plan.In) {
	if column, plain := x.(*plan.Column); plain {
		c.spec.conditions = append(c.spec.conditions, wordCondition{ref: column.Ref, at: c.place(n), cond: cond})
	}
}
