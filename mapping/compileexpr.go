package mapping

import (
	"encoding/json"
	"slices"
	"strings"

	"chatbridge/internal/jsonscan"
	"chatbridge/internal/nearest"

	"go.yaml.in/yaml/v3"
)

// members compiles the members of message or conversation.
func (c *compiler) members(t tableID, at, n *yaml.Node, s *shape) []memberExpr {
	if n == nil {
		c.fail(at, "%s needs `members:`", s.name)
		return nil
	}
	for i := 0; n.Kind == yaml.MappingNode && i+1 < len(n.Content); i += 2 {
		c.nodes[s.name+"."+n.Content[i].Value] = deref(n.Content[i+1])
	}
	return c.memberList(s.name, t, at, n, s)
}

// memberList compiles an object's members in the order of the contract. prefix
// is the path of the object.
func (c *compiler) memberList(prefix string, t tableID, at, n *yaml.Node, s *shape) []memberExpr {
	if n == nil {
		c.fail(at, "%s needs `members:`", s.name)
		return nil
	}
	k := c.keys(n, s.name, s.names()...)
	var out []memberExpr
	for _, m := range s.members {
		value := k[m.name]
		if value == nil {
			if m.required {
				c.fail(n, "%s needs the member %q", s.name, m.name)
			}
			continue
		}
		outerMember, outerSection := c.member, c.section
		c.member, c.section = prefix+"."+m.name, t
		if x := c.named(prefix+"."+m.name, value, m); x != nil {
			out = append(out, newMember(m.name, m.required, x))
		}
		c.member, c.section = outerMember, outerSection
	}
	return out
}

// named compiles a member once, so that others can refer to it.
func (c *compiler) named(path string, n *yaml.Node, m shapeMember) expr {
	if c.nodes[path] == nil {
		return c.compile(n, m, 0)
	}
	if x, ok := c.exprs[path]; ok {
		if x == nil {
			c.fail(n, "%s refers to itself", path)
		}
		return x
	}
	c.exprs[path] = nil
	x := c.compile(n, m, 0)
	if x == nil {
		x = &constExpr{} // the problem is noted; do not note it again
	}
	c.exprs[path] = x
	return x
}

var exprHeads = []string{"column", "const", "first", "if", "json", "time", "number", "bool", "object", "array", "merge", "member", "commit", "kept"}

// compile compiles one expression that m describes.
func (c *compiler) compile(n *yaml.Node, m shapeMember, depth int) expr {
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
func (c *compiler) checkText(n *yaml.Node, m shapeMember, x expr) expr {
	switch m.form {
	case formAny, formText:
		return x
	case formTime:
		c.fail(n, "%s is a time: write {time: %s}", m.name, n.Value)
	case formBool:
		c.fail(n, "%s is true or false: write {bool: %s}", m.name, n.Value)
	case formNumber:
		c.fail(n, "%s is a number: write {number: %s}", m.name, n.Value)
	default:
		c.fail(n, "%s is %s: write {json: %s}, or build it with array and object", m.name, m.form, n.Value)
	}
	return nil
}

func (c *compiler) firstOf(n *yaml.Node, m shapeMember, depth int) expr {
	f := &firstExpr{}
	for _, e := range n.Content {
		if x := c.compile(e, m, depth+1); x != nil {
			f.of = append(f.of, x)
		}
	}
	if len(n.Content) == 0 {
		c.fail(n, "an empty list has no value")
	}
	return f
}

// column compiles the name of a column, with the table's role and a dot before
// it when it is another's.
func (c *compiler) column(n *yaml.Node) expr {
	if n.Kind != yaml.ScalarNode || n.Value == "" || isNullNode(n) {
		c.fail(n, "the name of a column is wanted here")
		return nil
	}
	t, name := c.section, n.Value
	if role, rest, ok := strings.Cut(n.Value, "."); ok {
		id := slices.IndexFunc(c.spec.tables, func(t Table) bool { return t.Role == role })
		if id < 0 {
			c.fail(n, "there is no table %q to take %q from: %s", role, rest, accepted(role, c.roles()))
			return nil
		}
		t, name = tableID(id), rest
	}
	return &columnExpr{ref{t, c.slot(t, name, n)}}
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
func (c *compiler) headed(n *yaml.Node, m shapeMember, depth int) expr {
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
		inner = shapeMember{name: m.name, form: formText}
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
	"merge": {"with", "else"}, "kept": {"as", "words", "count", "shape", "begins", "begins_not", "matches", "else"},
}

func (c *compiler) head(head string, n *yaml.Node, k map[string]*yaml.Node, m shapeMember, depth int) expr {
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
		return c.formed(v, m, formTime, commitTimeExpr{})
	}
	return nil
}

// formed notes when an expression's form is not the one wanted.
func (c *compiler) formed(n *yaml.Node, m shapeMember, f form, x expr) expr {
	if m.form != formAny && m.form != f && !(m.form == formText && f == formTime) {
		c.fail(n, "%s is %s, not %s", m.name, m.form, f)
		return nil
	}
	return x
}

func (c *compiler) columnHead(v *yaml.Node, k map[string]*yaml.Node, m shapeMember) expr {
	x := c.column(v)
	if x == nil {
		return nil
	}
	if k["path"] != nil {
		x = &pathExpr{&jsonExpr{of: x.(*columnExpr), path: c.path(k["path"])}}
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

func (c *compiler) constant(v *yaml.Node, m shapeMember) expr {
	var value any
	if err := v.Decode(&value); err != nil {
		c.fail(v, "`const:` cannot be read: %v", err)
		return nil
	}
	f, ok := constForms[v.ShortTag()]
	if !ok {
		f = formAny
	}
	if f == formText && len(m.enum) > 0 && !slices.Contains(m.enum, v.Value) {
		c.fail(v, "%s cannot be %q: %s", m.name, v.Value, accepted(v.Value, m.enum))
		return nil
	}
	if f == formText {
		return c.formed(v, m, f, &constExpr{plain: []byte(v.Value), encoded: jsonscan.AppendString(nil, []byte(v.Value))})
	}
	encoded, err := json.Marshal(value)
	if err != nil || value == nil {
		c.fail(v, "`const:` has no JSON: leave the member out instead")
		return nil
	}
	x := &constExpr{encoded: encoded}
	if v.Kind == yaml.ScalarNode {
		x.plain = encoded
	}
	return c.formed(v, m, f, x)
}

var constForms = map[string]form{
	"!!str": formText, "!!bool": formBool, "!!int": formNumber, "!!float": formNumber,
	"!!seq": formArray, "!!map": formObject, "!!timestamp": formText,
}

// converted compiles time, number and bool; of a list each element is
// converted by itself, so that one that cannot be leaves room for the next.
// unit is that of times that are numbers, nil for none.
func (c *compiler) converted(head string, v, unit *yaml.Node, m shapeMember, depth int) expr {
	if v.Kind == yaml.SequenceNode && head != "bool" {
		f := &firstExpr{}
		for _, e := range v.Content {
			if x := c.converted(head, deref(e), unit, m, depth+1); x != nil {
				f.of = append(f.of, x)
			}
		}
		return f
	}
	x := c.compile(v, shapeMember{name: m.name, form: formText}, depth+1)
	if x == nil {
		return nil
	}
	switch head {
	case "time":
		return c.formed(v, m, formTime, c.timeHead(v, unit, x))
	case "number":
		return c.formed(v, m, formNumber, &numberExpr{x})
	}
	return c.formed(v, m, formBool, &boolExpr{x})
}

func (c *compiler) jsonHead(v *yaml.Node, k map[string]*yaml.Node, m shapeMember) expr {
	col, ok := c.column(v).(*columnExpr)
	if !ok {
		return nil
	}
	x := &jsonExpr{of: col, want: m.form}
	if m.form == formTime {
		c.fail(v, "%s is a time: write {time: {column: %s, path: …}}", m.name, v.Value)
	}
	if k["path"] != nil {
		x.path = c.path(k["path"])
	}
	if n := k["nulls"]; n != nil {
		x.edit.dropNulls = n.Value == "drop"
		if n.Value != "drop" && n.Value != "keep" {
			c.fail(n, "`nulls:` is drop or keep, not %q", n.Value)
		}
	}
	if n := k["times"]; n != nil {
		for _, e := range n.Content {
			x.edit.times = append(x.edit.times, e.Value)
		}
		if n.Kind != yaml.SequenceNode {
			c.fail(n, "`times:` takes a list of members")
		}
	}
	x.edit.unit, x.member = c.unit(k["unit"]), c.member
	if n := k["unit"]; n != nil && k["times"] == nil {
		c.fail(n, "`unit:` is that of `times:`, which is missing")
	}
	return x
}
