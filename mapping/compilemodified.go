package mapping

import (
	"regexp"

	"go.yaml.in/yaml/v3"
)

// modified applies what may stand beside a head, in this order: as, words,
// shape, begins, begins_not, matches, else.
func (c *compiler) modified(x expr, n *yaml.Node, k map[string]*yaml.Node, m shapeMember, depth int) expr {
	if a := k["as"]; a != nil {
		to, ok := transforms[a.Value]
		if !ok {
			c.fail(a, "nothing can be written as %q: %s", a.Value, accepted(a.Value, transformNames()))
			return nil
		}
		x = &asExpr{x, to}
	}
	if w := k["words"]; w != nil {
		table := c.wordTable(w, m.enum)
		count := ""
		if k["count"] != nil && k["count"].Value == "true" {
			count = c.member
			c.spec.plan.counted = appendNew(c.spec.plan.counted, count)
		}
		x = &wordsExpr{of: x, words: newWords(table), count: count}
	}
	if x = c.filtered(x, k); x == nil {
		return nil
	}
	if e := k["else"]; e != nil && k["if"] == nil {
		alt := c.compile(e, m, depth+1)
		if alt == nil {
			return nil
		}
		x = &firstExpr{[]expr{x, alt}}
	}
	return x
}

// filtered applies what lets only some text through.
func (c *compiler) filtered(x expr, k map[string]*yaml.Node) expr {
	if s := k["shape"]; s != nil {
		match := matcher(s.Value)
		if match == nil {
			c.fail(s, "there is no shape %q: %s", s.Value, accepted(s.Value, matcherNames()))
			return nil
		}
		x = &matchExpr{x, match}
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
		x = &beginsExpr{of: x, prefix: b.Value, not: key == "begins_not"}
	}
	if r := k["matches"]; r != nil {
		re, err := regexp.Compile(r.Value)
		if err != nil {
			c.fail(r, "`matches:` is not a regular expression: %v", err)
			return nil
		}
		x = &matchExpr{x, pattern(re)}
	}
	return x
}
