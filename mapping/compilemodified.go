package mapping

import (
	"regexp"

	"chatbridge/internal/nearest"
	"chatbridge/mapping/internal/convert"
	"chatbridge/mapping/internal/plan"

	"go.yaml.in/yaml/v3"
)

// modified applies what may stand beside a head, in this order: as, words,
// shape, begins, begins_not, matches, else.
func (c *compiler) modified(x plan.Expr, n *yaml.Node, k map[string]*yaml.Node, m memberForm, depth int) plan.Expr {
	if a := k["as"]; a != nil {
		to, ok := convert.Transforms[a.Value]
		if !ok {
			c.fail(a, "nothing can be written as %q: %s", a.Value, nearest.Hint(a.Value, convert.TransformNames()))
			return nil
		}
		x = &plan.As{Of: x, Transform: to}
	}
	if w := k["words"]; w != nil {
		table := c.wordTable(w, m.enum)
		count := ""
		if k["count"] != nil && k["count"].Value == "true" {
			count = c.member
			c.spec.plan.CountedWords = appendNew(c.spec.plan.CountedWords, count)
		}
		x = &plan.Words{Of: x, Words: plan.NewWordTable(table), Count: count}
	}
	if x = c.filtered(x, k); x == nil {
		return nil
	}
	if e := k["else"]; e != nil && k["if"] == nil {
		alt := c.compile(e, m, depth+1)
		if alt == nil {
			return nil
		}
		x = &plan.First{Of: []plan.Expr{x, alt}}
	}
	return x
}

// filtered applies what lets only some text through.
func (c *compiler) filtered(x plan.Expr, k map[string]*yaml.Node) plan.Expr {
	if s := k["shape"]; s != nil {
		match := convert.Shape(s.Value)
		if match == nil {
			c.fail(s, "there is no shape %q: %s", s.Value, nearest.Hint(s.Value, convert.ShapeNames()))
			return nil
		}
		x = &plan.Match{Of: x, Match: match}
	}
	for _, key := range []string{"begins", "begins_not"} {
		b := k[key]
		if b == nil {
			continue
		}
		if b.Kind != yaml.ScalarNode || b.Value == "" {
			c.fail(b, "`%s:` takes the text that a value begins with", key)
			return nil
		}
		x = &plan.Begins{Of: x, Prefix: b.Value, Not: key == "begins_not"}
	}
	if r := k["matches"]; r != nil {
		re, err := regexp.Compile(r.Value)
		if err != nil {
			c.fail(r, "`matches:` is not a regular expression: %v", err)
			return nil
		}
		x = &plan.Match{Of: x, Match: re.Match}
	}
	return x
}
