package mapping

import (
	"slices"
	"strings"

	"chatbridge/internal/nearest"
	"chatbridge/mapping/internal/convert"
	"chatbridge/mapping/internal/plan"

	"go.yaml.in/yaml/v3"
)

var exprHeads = []string{"column", "const", "first", "if", "json", "time", "number", "bool", "object", "array", "each", "merge", "join", "member", "commit", "kept"}

// compile compiles one expression that m describes.
func (c *compiler) compile(n *yaml.Node, m memberForm, depth int) plan.Expr {
	n = deref(n)
	if depth > maxExprDepth {
		c.fail(n, "expressions nest deeper than %d", maxExprDepth)
		return nil
	}
	switch n.Kind {
	case yaml.ScalarNode:
		return c.checkText(n, m, c.column(n))
	case yaml.SequenceNode:
		return c.firstOf(n, m, depth)
	case yaml.MappingNode:
		return c.headed(n, m, depth)
	}
	c.fail(n, "an expression is the name of a column, a list of which the first with a value is taken, or one of %s", strings.Join(exprHeads, ", "))
	return nil
}

// checkText notes when text stands where the contract wants another form.
func (c *compiler) checkText(n *yaml.Node, m memberForm, x plan.Expr) plan.Expr {
	switch m.form {
	case convert.FormAny, convert.FormText:
		return x
	case convert.FormTime:
		c.fail(n, "%s is a time: write {time: %s}", m.name, n.Value)
	case convert.FormBool:
		c.fail(n, "%s is true or false: write {bool: %s}", m.name, n.Value)
	case convert.FormNumber:
		c.fail(n, "%s is a number: write {number: %s}", m.name, n.Value)
	default:
		c.fail(n, "%s is %s: write {json: %s}, or build it with array and object", m.name, m.form, n.Value)
	}
	return nil
}

func (c *compiler) firstOf(n *yaml.Node, m memberForm, depth int) plan.Expr {
	f := &plan.First{}
	for _, e := range n.Content {
		if x := c.compile(e, m, depth+1); x != nil {
			f.Of = append(f.Of, x)
		}
	}
	if len(n.Content) == 0 {
		c.fail(n, "an empty list has no value")
	}
	return f
}

// column compiles the name of a column, with the table's role and a dot before
// it when it is another's.
func (c *compiler) column(n *yaml.Node) plan.Expr {
	if n.Kind != yaml.ScalarNode || n.Value == "" || isNullNode(n) {
		c.fail(n, "the name of a column is wanted here")
		return nil
	}
	t, name := c.section, n.Value
	if role, rest, ok := strings.Cut(n.Value, "."); ok {
		id := slices.IndexFunc(c.spec.tables, func(t Table) bool { return t.Role == role })
		if id < 0 {
			c.fail(n, "there is no table %q to take %q from: %s", role, rest, nearest.Hint(role, c.roles()))
			return nil
		}
		t, name = plan.TableID(id), rest
	}
	return &plan.Column{Ref: plan.Ref{Table: t, Slot: c.slot(t, name, n)}}
}

func (c *compiler) roles() []string {
	out := make([]string, len(c.spec.tables))
	for i, t := range c.spec.tables {
		out[i] = t.Role
	}
	return out
}

// headed compiles an expression that is a mapping: one head, and what may
// stand beside it.
func (c *compiler) headed(n *yaml.Node, m memberForm, depth int) plan.Expr {
	k := map[string]*yaml.Node{}
	head := ""
	for i := 0; i+1 < len(n.Content); i += 2 {
		key := n.Content[i]
		k[key.Value] = deref(n.Content[i+1])
		if slices.Contains(exprHeads, key.Value) {
			if head != "" {
				c.fail(key, "%q and %q cannot stand side by side: one expression has one of %s", head, key.Value, strings.Join(exprHeads, ", "))
				return nil
			}
			head = key.Value
		}
	}
	allowed, ok := beside[head]
	if !ok {
		c.unknownHead(n)
		return nil
	}
	if len(c.keys(n, "an expression with "+head, append(allowed, head)...)) != len(k) {
		return nil
	}
	inner := m
	if k["as"] != nil || k["words"] != nil || k["shape"] != nil || k["begins"] != nil || k["begins_not"] != nil || k["matches"] != nil {
		inner = memberForm{name: m.name, form: convert.FormText}
	}
	x := c.head(head, n, k, inner, depth)
	if x == nil {
		return nil
	}
	return c.modified(x, n, k, m, depth)
}

// unknownHead says what is wrong with a mapping that is no expression: the
// nearest head to any of its keys.
func (c *compiler) unknownHead(n *yaml.Node) {
	if len(n.Content) == 0 {
		c.fail(n, "an expression has one of %s", strings.Join(exprHeads, ", "))
		return
	}
	for i := 0; i < len(n.Content); i += 2 {
		if near := nearest.Of(n.Content[i].Value, exprHeads); near != "" {
			c.fail(n.Content[i], "an expression has no %q: did you mean %q?", n.Content[i].Value, near)
			return
		}
	}
	c.fail(n.Content[0], "an expression has no %q: it has one of %s", n.Content[0].Value, strings.Join(exprHeads, ", "))
}

// beside lists what may stand beside each head.
var beside = map[string][]string{
	"column": {"path", "as", "words", "count", "shape", "begins", "begins_not", "matches", "else"},
	"member": {"as", "words", "count", "shape", "begins", "begins_not", "matches", "else"},
	"first":  {"as", "words", "count", "shape", "begins", "begins_not", "matches", "else"},
	"const":  {}, "commit": {},
	"if":     {"then", "else"},
	"json":   {"path", "nulls", "times", "unit", "else"},
	"time":   {"unit", "else"},
	"number": {"else"}, "bool": {},
	"object": {"else"}, "array": {"else"},
	"each":  {"give", "else"},
	"join":  {"with", "else"},
	"merge": {"with", "else"}, "kept": {"as", "words", "count", "shape", "begins", "begins_not", "matches", "else"},
}

func (c *compiler) head(head string, n *yaml.Node, k map[string]*yaml.Node, m memberForm, depth int) plan.Expr {
	v := k[head]
	switch head {
	case "column":
		return c.columnHead(v, k, m)
	case "const":
		return c.constant(v, m)
	case "first":
		return c.compile(v, m, depth+1)
	case "if":
		return c.ifHead(n, k, m, depth)
	case "json":
		return c.jsonHead(v, k, m)
	case "time", "number", "bool":
		return c.converted(head, v, k["unit"], m, depth)
	case "object":
		return c.object(v, m)
	case "array":
		return c.array(v, m, depth)
	case "each":
		return c.each(n, k, m, depth)
	case "join":
		return c.joined(n, k, m, depth)
	case "merge":
		return c.merged(n, k, m)
	case "member":
		return c.memberRef(v, m)
	case "kept":
		return c.keptHead(v, m, depth)
	case "commit":
		if v.Value != "time" {
			c.fail(v, "`commit:` has only time")
		}
		return c.formed(v, m, convert.FormTime, plan.CommitTime{})
	}
	return nil
}

// formed notes when an expression's form is not the one wanted.
func (c *compiler) formed(n *yaml.Node, m memberForm, f convert.Form, x plan.Expr) plan.Expr {
	if m.form != convert.FormAny && m.form != f && !(m.form == convert.FormText && f == convert.FormTime) {
		c.fail(n, "%s is %s, not %s", m.name, m.form, f)
		return nil
	}
	return x
}

func (c *compiler) columnHead(v *yaml.Node, k map[string]*yaml.Node, m memberForm) plan.Expr {
	x := c.column(v)
	if x == nil {
		return nil
	}
	if k["path"] != nil {
		x = &plan.Path{Of: &plan.JSON{Of: x.(*plan.Column), Path: c.path(k["path"])}}
	}
	return c.checkText(v, m, x)
}

// path takes a.b.0 or a list.
func (c *compiler) path(n *yaml.Node) []string {
	switch n.Kind {
	case yaml.ScalarNode:
		return strings.Split(n.Value, ".")
	case yaml.SequenceNode:
		var out []string
		for _, e := range n.Content {
			out = append(out, e.Value)
		}
		return out
	}
	c.fail(n, "`path:` takes names with dots between them, or a list")
	return nil
}
