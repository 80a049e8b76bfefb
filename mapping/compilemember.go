package mapping

import (
	"slices"
	"strings"

	"chatbridge/internal/nearest"
	"chatbridge/mapping/contract"
	"chatbridge/mapping/internal/plan"

	"go.yaml.in/yaml/v3"
)

// members compiles the members of message or conversation.
func (c *compiler) members(t plan.TableID, at, n *yaml.Node, s *objectForm) []plan.Member {
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
func (c *compiler) memberList(prefix string, t plan.TableID, at, n *yaml.Node, s *objectForm) []plan.Member {
	if n == nil {
		c.fail(at, "%s needs `members:`", s.name)
		return nil
	}
	k := c.keys(n, s.name, s.names()...)
	var out []plan.Member
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
			out = append(out, plan.NewMember(m.name, m.required, x))
		}
		c.member, c.section = outerMember, outerSection
	}
	return out
}

// named compiles a member once, so that others can refer to it.
func (c *compiler) named(path string, n *yaml.Node, m memberForm) plan.Expr {
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
		x = &plan.Const{} // the problem is noted; do not note it again
	}
	c.exprs[path] = x
	return x
}

// memberRef compiles {member: message.senderId}: another member's expression.
func (c *compiler) memberRef(v *yaml.Node, m memberForm) plan.Expr {
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
		c.fail(v, "there is no member %q: %s", path, nearest.Hint(path, names))
		return nil
	}
	role, name, _ := strings.Cut(path, ".")
	s, t := formOf[contract.WebSocketMessage]("message"), plan.MessageTable
	if role == "conversation" {
		s, t = formOf[contract.WebSocketConversation]("conversation"), plan.ConversationTable
	}
	target, _ := s.member(name)
	outerSection := c.section
	c.section = t
	x := c.named(path, n, target)
	c.section = outerSection
	if x == nil {
		return nil
	}
	x.Walk(func(r plan.Ref) {
		col := &c.spec.tables[r.Table].Columns[r.Slot]
		col.Members = appendNew(col.Members, c.member)
	})
	return c.formed(v, m, target.form, x)
}
