package mapping

import (
	"fmt"
	"slices"
	"strings"

	"chatbridge/internal/nearest"
	"chatbridge/mapping/internal/plan"

	"go.yaml.in/yaml/v3"
)

// maxExprDepth bounds how deep expressions nest.
const maxExprDepth = 32

// compiler turns YAML into a Spec. It collects every problem and goes on.
type compiler struct {
	base, own string // names of the files
	origin    map[*yaml.Node]bool
	problems  []Problem
	spec      *Spec
	words     map[string]map[string][]byte
	// exprs are the compiled members by table and name, nodes what is yet to be
	// compiled; a nil entry in exprs is being compiled.
	exprs map[string]plan.Expr
	nodes map[string]*yaml.Node
	// member is the path of the member being compiled, such as
	// message.attachments.
	member  string
	section plan.TableID
	// statusSlots are the message's columns that its status is made of, followSlots
	// those that change together with it.
	statusSlots, followSlots []bool
}

func compile(base, own document) (*Spec, error) {
	top, problem := base.root()
	if problem != nil {
		return nil, problem
	}
	if top == nil {
		return nil, &Error{Problems: []Problem{{File: base.name, Line: 1, Text: "is empty"}}}
	}
	c := &compiler{
		base: base.name, own: own.name, origin: map[*yaml.Node]bool{}, spec: &Spec{},
		words: map[string]map[string][]byte{}, exprs: map[string]plan.Expr{}, nodes: map[string]*yaml.Node{},
	}
	if own.text != nil {
		change, problem := own.root()
		if problem != nil {
			return nil, problem
		}
		if change != nil {
			c.uniqueAll(change, own.name, 0)
			merge(top, change, nil, c.origin)
		}
	} else if !strings.HasPrefix(base.name, "preset ") {
		c.own = base.name
		c.uniqueAll(top, base.name, 0)
		markOwn(top, c.origin, 0)
	}
	if len(c.problems) == 0 {
		c.spec.fingerprint = fingerprint(top)
		c.document(top)
	}
	if len(c.problems) > 0 {
		return nil, newError(c.problems)
	}
	return c.spec, nil
}

func (c *compiler) place(n *yaml.Node) place {
	if c.origin[n] {
		return place{c.own, n.Line}
	}
	return place{c.base, n.Line}
}

func (c *compiler) fail(n *yaml.Node, format string, args ...any) {
	p := c.place(n)
	c.problems = append(c.problems, Problem{File: p.file, Line: p.line, Text: fmt.Sprintf(format, args...)})
}

// uniqueAll refuses a key given twice, which yaml lets pass in nodes.
func (c *compiler) uniqueAll(n *yaml.Node, file string, depth int) {
	if depth > 2*maxExprDepth {
		return
	}
	if n.Kind == yaml.MappingNode {
		seen := map[string]bool{}
		for i := 0; i+1 < len(n.Content); i += 2 {
			k := n.Content[i]
			if seen[k.Value] {
				c.problems = append(c.problems, Problem{File: file, Line: k.Line, Text: fmt.Sprintf("%q is given twice", k.Value)})
			}
			seen[k.Value] = true
		}
	}
	for _, child := range n.Content {
		c.uniqueAll(child, file, depth+1)
	}
}

// keys returns a mapping's values by key and refuses keys that are not
// accepted.
func (c *compiler) keys(n *yaml.Node, what string, of ...string) map[string]*yaml.Node {
	n = deref(n)
	out := map[string]*yaml.Node{}
	if n.Kind != yaml.MappingNode {
		c.fail(n, "%s must have keys: %s", what, strings.Join(of, ", "))
		return out
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		k := n.Content[i]
		if len(of) > 0 && !slices.Contains(of, k.Value) {
			c.fail(k, "%s has no %q: %s", what, k.Value, nearest.Hint(k.Value, of))
			continue
		}
		out[k.Value] = deref(n.Content[i+1])
	}
	return out
}

func (c *compiler) document(top *yaml.Node) {
	k := c.keys(top, "a mapping", "message", "conversation", "typing", "references", "words", "replace")
	for _, name := range []string{"message", "conversation"} {
		if k[name] == nil {
			c.fail(top, "the section `%s:` is missing", name)
			return
		}
	}
	if w := k["words"]; w != nil {
		c.wordTables(w)
	}
	// All tables are declared first: expressions of one refer to the others.
	msg := c.keys(k["message"], "message", "table", "key", "workspace", "conversation", "where", "newest_by", "follows", "changes", "unknown", "names", "members")
	conv := c.keys(k["conversation"], "conversation", "table", "key", "workspace", "where", "changes", "unknown", "last_message", "members")
	c.table("message", k["message"], msg, true)
	c.table("conversation", k["conversation"], conv, true)
	refs := c.declareReferences(k["references"])
	if len(c.problems) > 0 {
		return
	}
	c.messageSection(k["message"], msg)
	c.conversationSection(k["conversation"], conv)
	c.referenceSections(refs)
	if t := k["typing"]; t != nil {
		c.typingSection(t)
	}
	if len(c.problems) == 0 {
		c.finish()
	}
}

// table declares a table.
func (c *compiler) table(role string, at *yaml.Node, k map[string]*yaml.Node, stream bool) {
	t := Table{Role: role, Stream: stream, Workspace: -1, Newest: -1, Conversation: -1, ByColumn: -1, Many: -1}
	n := k["table"]
	if n != nil {
		t.at, t.own = c.place(n), c.origin[n]
	}
	if n == nil {
		c.fail(at, "%s needs `table:`, such as public.%ss", role, role)
	} else {
		var ok bool
		if t.Schema, t.Name, ok = strings.Cut(n.Value, "."); !ok {
			t.Schema, t.Name = "public", n.Value
		}
		if n.Kind != yaml.ScalarNode || t.Name == "" || t.Schema == "" {
			c.fail(n, "`table:` takes schema.name, such as public.%ss", role)
		}
		for _, other := range c.spec.tables {
			if other.Schema == t.Schema && other.Name == t.Name {
				c.fail(n, "%s.%s is the table of %s already", t.Schema, t.Name, other.Role)
			}
		}
	}
	c.spec.tables = append(c.spec.tables, t)
}

// plainColumn takes a key whose value is the name of a column of table t.
func (c *compiler) plainColumn(t plan.TableID, at *yaml.Node, k map[string]*yaml.Node, key string, required bool) int {
	n := k[key]
	role := c.spec.tables[t].Role
	if n == nil {
		if required {
			c.fail(at, "%s needs `%s:`, the name of a column", role, key)
		}
		return -1
	}
	if n.Kind != yaml.ScalarNode || n.Value == "" || strings.Contains(n.Value, ".") {
		c.fail(n, "`%s:` takes the name of a column of %s", key, role)
		return -1
	}
	slot := c.slot(t, n.Value, n)
	c.spec.tables[t].Columns[slot].Required = c.spec.tables[t].Columns[slot].Required || required
	return slot
}

// slot returns the place of a column among those that are read, adding it if
// it is new.
func (c *compiler) slot(t plan.TableID, column string, at *yaml.Node) int {
	cols := &c.spec.tables[t].Columns
	i := slices.IndexFunc(*cols, func(x Column) bool { return x.Name == column && !x.Derived() })
	if i < 0 {
		i = len(*cols)
		*cols = append(*cols, Column{Name: column, at: c.place(at), own: c.origin[at]})
	}
	if x := &(*cols)[i]; c.origin[at] && !x.own {
		x.at, x.own = c.place(at), true
	}
	if x := &(*cols)[i]; c.member != "" && !slices.Contains(x.Members, c.member) {
		x.Members = append(x.Members, c.member)
	}
	return i
}

func (c *compiler) columnList(t plan.TableID, n *yaml.Node, key string) []int {
	if n == nil {
		return nil
	}
	if n.Kind != yaml.SequenceNode {
		c.fail(n, "`%s:` takes a list of columns", key)
		return nil
	}
	out := []int{}
	for _, e := range n.Content {
		if e = deref(e); e.Kind != yaml.ScalarNode || strings.Contains(e.Value, ".") {
			c.fail(e, "`%s:` takes names of columns of %s", key, c.spec.tables[t].Role)
			continue
		}
		out = append(out, c.slot(t, e.Value, e))
	}
	return out
}

func (c *compiler) unknown(n *yaml.Node) bool {
	switch {
	case n == nil || n.Value == "unchanged":
		return false
	case n.Value == "changed":
		return true
	}
	c.fail(n, "`unknown:` is changed or unchanged, not %q", n.Value)
	return false
}
