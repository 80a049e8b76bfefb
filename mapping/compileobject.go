package mapping

import (
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

func (c *compiler) object(v *yaml.Node, m shapeMember) expr {
	if c.formed(v, m, formObject, &objectExpr{}) == nil {
		return nil
	}
	if m.of != nil {
		return &objectExpr{c.memberList(c.member, c.section, v, v, m.of)}
	}
	o := &objectExpr{}
	if v.Kind != yaml.MappingNode {
		c.fail(v, "`object:` takes names with an expression each")
		return nil
	}
	for i := 0; i+1 < len(v.Content); i += 2 {
		name := v.Content[i].Value
		if x := c.compile(v.Content[i+1], shapeMember{name: name}, 1); x != nil {
			o.members = append(o.members, newMember(name, false, x))
		}
	}
	return o
}

func (c *compiler) array(v *yaml.Node, m shapeMember, depth int) expr {
	if c.formed(v, m, formArray, &arrayExpr{}) == nil {
		return nil
	}
	if v.Kind != yaml.SequenceNode {
		c.fail(v, "`array:` takes a list of expressions")
		return nil
	}
	elem := shapeMember{name: m.name}
	if m.of != nil {
		elem = shapeMember{name: m.name, form: formObject, of: m.of}
	}
	a := &arrayExpr{}
	for _, e := range v.Content {
		if x := c.compile(e, elem, depth+1); x != nil {
			a.of = append(a.of, x)
		}
	}
	return a
}

func (c *compiler) merged(n *yaml.Node, k map[string]*yaml.Node, m shapeMember) expr {
	if c.formed(n, m, formObject, &objectExpr{}) == nil {
		return nil
	}
	if k["with"] == nil {
		c.fail(n, "`merge:` needs `with:`, the members to add where they are lacking")
		return nil
	}
	col, ok := c.column(k["merge"]).(*columnExpr)
	if !ok {
		return nil
	}
	with, ok := c.object(k["with"], shapeMember{name: m.name, form: formObject}).(*objectExpr)
	if !ok {
		return nil
	}
	x := &mergeExpr{base: &jsonExpr{of: col, want: formObject}, with: *with}
	for _, w := range with.members {
		x.names = append(x.names, w.name)
	}
	return x
}

// memberRef compiles {member: message.senderId}: another member's expression.
func (c *compiler) memberRef(v *yaml.Node, m shapeMember) expr {
	path := v.Value
	if !strings.Contains(path, ".") {
		path = c.spec.tables[c.section].Role + "." + path
	}
	n := c.nodes[path]
	if n == nil {
		var names []string
		for name := range c.nodes {
			names = append(names, name)
		}
		slices.Sort(names)
		c.fail(v, "there is no member %q: %s", path, accepted(path, names))
		return nil
	}
	role, name, _ := strings.Cut(path, ".")
	s, t := shapeOf[WebSocketMessage]("message"), messageTable
	if role == "conversation" {
		s, t = shapeOf[WebSocketConversation]("conversation"), conversationTable
	}
	target, _ := s.member(name)
	outerSection := c.section
	c.section = t
	x := c.named(path, n, target)
	c.section = outerSection
	if x == nil {
		return nil
	}
	x.walk(func(r ref) {
		col := &c.spec.tables[r.table].Columns[r.slot]
		col.Members = appendNew(col.Members, c.member)
	})
	return c.formed(v, m, target.form, x)
}
