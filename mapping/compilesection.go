package mapping

import (
	"strings"

	"chatbridge/mapping/contract"
	"chatbridge/mapping/internal/plan"

	"go.yaml.in/yaml/v3"
)

func (c *compiler) messageSection(at *yaml.Node, k map[string]*yaml.Node) {
	s := &c.spec.plan.Message
	s.Table = plan.MessageTable
	s.Key = c.plainColumn(plan.MessageTable, at, k, "key", true)
	s.Workspace = c.plainColumn(plan.MessageTable, at, k, "workspace", true)
	s.Conversation = c.plainColumn(plan.MessageTable, at, k, "conversation", true)
	s.UnknownChanged = c.unknown(k["unknown"])
	c.spec.plan.NewestBy = c.plainColumn(plan.MessageTable, at, k, "newest_by", false)
	c.spec.tables[plan.MessageTable].Key = max(s.Key, 0)
	c.spec.tables[plan.MessageTable].Conversation = s.Conversation
	c.spec.tables[plan.MessageTable].Workspace = s.Workspace
	s.Members = c.members(plan.MessageTable, at, k["members"], shapeOf[contract.WebSocketMessage]("message"))
	follows := c.columnList(plan.MessageTable, k["follows"], "follows")
	changes := c.columnList(plan.MessageTable, k["changes"], "changes")
	if len(c.problems) > 0 {
		return
	}
	for i := range s.Members {
		switch m := &s.Members[i]; m.Name {
		case "id":
			c.spec.plan.IDMember, m.Mark = m.Value, plan.MarkID
		case "status":
			m.Value, m.Mark = c.status(m.Value), plan.MarkStatus
		}
	}
	c.messageSlots(s, follows, changes)
}

// messageSlots tells which columns make which event of an UPDATE.
func (c *compiler) messageSlots(s *plan.Section, follows, changes []int) {
	n := len(c.spec.tables[plan.MessageTable].Columns)
	c.spec.plan.StatusSlots, c.spec.plan.FollowSlots = make([]bool, n), make([]bool, n)
	c.spec.plan.StatusMember.Walk(func(r plan.Ref) {
		if r.Table == plan.MessageTable {
			c.spec.plan.StatusSlots[r.Slot] = true
		}
	})
	for _, slot := range follows {
		c.spec.plan.FollowSlots[slot] = true
	}
	visible := slotsOf(plan.MessageTable, n, s.Members)
	s.Listed = changes != nil
	if s.Listed {
		clear(visible)
		for _, slot := range changes {
			visible[slot] = true
		}
	}
	for slot := range visible {
		visible[slot] = visible[slot] && !c.spec.plan.StatusSlots[slot]
	}
	c.spec.plan.VisibleSlots[plan.MessageTable] = visible
}

// slotsOf tells which columns of a table the members read.
func slotsOf(t plan.TableID, n int, members []plan.Member) []bool {
	out := make([]bool, n)
	for i := range members {
		members[i].Value.Walk(func(r plan.Ref) {
			if r.Table == t {
				out[r.Slot] = true
			}
		})
	}
	return out
}

func (c *compiler) conversationSection(at *yaml.Node, k map[string]*yaml.Node) {
	s := &c.spec.plan.Conversation
	s.Table, s.Conversation = plan.ConversationTable, -1
	s.Key = c.plainColumn(plan.ConversationTable, at, k, "key", true)
	s.Workspace = c.plainColumn(plan.ConversationTable, at, k, "workspace", true)
	s.UnknownChanged = c.unknown(k["unknown"])
	c.spec.tables[plan.ConversationTable].Key = max(s.Key, 0)
	c.spec.tables[plan.ConversationTable].Workspace = s.Workspace
	switch n := k["last_message"]; {
	case n == nil || n.Value == "newest":
	case n.Value == "inserted":
		c.spec.plan.InsertedOnly = true
	default:
		c.fail(n, "`last_message:` is newest or inserted, not %q", n.Value)
	}
	s.Members = c.members(plan.ConversationTable, at, k["members"], shapeOf[contract.WebSocketConversation]("conversation"))
	changes := c.columnList(plan.ConversationTable, k["changes"], "changes")
	visible := slotsOf(plan.ConversationTable, len(c.spec.tables[plan.ConversationTable].Columns), s.Members)
	s.Listed = changes != nil
	if s.Listed {
		clear(visible)
		for _, slot := range changes {
			visible[slot] = true
		}
	}
	c.spec.plan.VisibleSlots[plan.ConversationTable] = visible
}

func (c *compiler) typingSection(at *yaml.Node) {
	k := c.keys(at, "typing", "column", "members")
	c.section = plan.ConversationTable
	c.spec.plan.TypingSlot = c.plainColumn(plan.ConversationTable, at, k, "column", true)
	if c.spec.plan.TypingSlot >= 0 {
		// A table without the column makes no typing events, that is all.
		x := &c.spec.tables[plan.ConversationTable].Columns[c.spec.plan.TypingSlot]
		x.Required = false
		x.Members = append(x.Members, "typing")
	}
	c.spec.plan.Typing = c.memberList("typing", plan.ConversationTable, at, k["members"], shapeOf[contract.TypingUpdate]("typing"))
}

// referenceNode is a reference that is declared but not compiled yet.
type referenceNode struct {
	id   plan.TableID
	at   *yaml.Node
	keys map[string]*yaml.Node
}

func (c *compiler) declareReferences(n *yaml.Node) []referenceNode {
	if n == nil {
		return nil
	}
	var out []referenceNode
	n = deref(n)
	if n.Kind != yaml.MappingNode {
		c.fail(n, "`references:` takes names, each with table, key and by")
		return nil
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		name, at := n.Content[i], deref(n.Content[i+1])
		if _, taken := c.spec.Table(name.Value); taken || strings.Contains(name.Value, ".") || name.Value == "" {
			c.fail(name, "a reference cannot be called %q", name.Value)
			continue
		}
		if len(out) == plan.MaxReferences {
			c.fail(name, "more than %d references", plan.MaxReferences)
			return out
		}
		k := c.keys(at, "reference "+name.Value, "table", "key", "workspace", "by", "unknown")
		out = append(out, referenceNode{id: plan.TableID(len(c.spec.tables)), at: at, keys: k})
		c.table(name.Value, at, k, false)
	}
	return out
}

func (c *compiler) referenceSections(nodes []referenceNode) {
	for _, n := range nodes {
		r := plan.Reference{Table: n.id, UnknownChanged: c.unknown(n.keys["unknown"])}
		r.Key = c.plainColumn(n.id, n.at, n.keys, "key", true)
		t := &c.spec.tables[n.id]
		t.Key = max(r.Key, 0)
		if t.Workspace = c.plainColumn(n.id, n.at, n.keys, "workspace", false); t.Workspace >= 0 {
			t.Columns[t.Workspace].Required = true
		}
		by := n.keys["by"]
		if by == nil {
			c.fail(n.at, "reference %s needs `by:`, the column that points to it, such as conversation.%s_id", t.Role, t.Role)
			continue
		}
		role, column, ok := strings.Cut(by.Value, ".")
		if !ok || role != "message" && role != "conversation" {
			c.fail(by, "`by:` takes a column of message or conversation, such as conversation.%s_id", t.Role)
			continue
		}
		r.By.Table = plan.MessageTable
		if role == "conversation" {
			r.By.Table = plan.ConversationTable
		}
		c.member = ""
		r.By.Slot = c.slot(r.By.Table, column, by)
		col := &c.spec.tables[r.By.Table].Columns[r.By.Slot]
		for _, x := range t.Columns { // without the pointer they all go without
			for _, m := range x.Members {
				col.Members = appendNew(col.Members, m)
			}
		}
		t.By, t.ByColumn = role, r.By.Slot
		c.spec.plan.References = append(c.spec.plan.References, r)
	}
}

func appendNew(to []string, s string) []string {
	for _, x := range to {
		if x == s {
			return to
		}
	}
	return append(to, s)
}

// markColumns marks the message's columns whose text an expression may be.
func markColumns(x plan.Expr, slots []bool) {
	switch x := x.(type) {
	case *plan.Column:
		if x.Ref.Table == plan.MessageTable {
			slots[x.Ref.Slot] = true
		}
	case *plan.First:
		for _, o := range x.Of {
			markColumns(o, slots)
		}
	}
}

// finish derives what needs the whole Spec.
func (c *compiler) finish() {
	s, tables := &c.spec.plan, c.spec.tables
	grow := func(p *[]bool, t plan.TableID) {
		for len(*p) < len(tables[t].Columns) {
			*p = append(*p, false)
		}
	}
	s.ContentSlots = make([]bool, len(tables[plan.MessageTable].Columns))
	for i := range s.Message.Members {
		if m := &s.Message.Members[i]; m.Name == "content" {
			markColumns(m.Value, s.ContentSlots)
		}
	}
	s.KeptSlots = make([]bool, len(tables[plan.MessageTable].Columns))
	for n, x := range s.Kept {
		if n == s.StatusKept {
			continue
		}
		x.Walk(func(r plan.Ref) { s.KeptSlots[r.Slot] = true })
	}
	grow(&s.StatusSlots, plan.MessageTable)
	grow(&s.FollowSlots, plan.MessageTable)
	grow(&s.VisibleSlots[plan.MessageTable], plan.MessageTable)
	grow(&s.VisibleSlots[plan.ConversationTable], plan.ConversationTable)
	s.NewestSlots = slotsOf(plan.MessageTable, len(tables[plan.MessageTable].Columns), s.Conversation.Members)
	s.NewestSlots[s.Message.Key] = true
	s.NewestSlots[s.Message.Conversation] = true
	s.NewestSlots[s.Message.Workspace] = true
	uses := false
	for i, used := range slotsOf(plan.MessageTable, len(tables[plan.MessageTable].Columns), s.Conversation.Members) {
		uses = uses || used
		if used && s.NewestBy < 0 {
			c.problems = append(c.problems, Problem{
				File: c.base, Line: 1,
				Text: "conversation reads message." + tables[plan.MessageTable].Columns[i].Name +
					", so message needs `newest_by:`, the column that orders messages",
			})
			return
		}
	}
	if s.NewestBy >= 0 {
		s.NewestSlots[s.NewestBy] = true
	}
	for _, r := range s.References {
		if r.By.Table == plan.MessageTable {
			s.NewestSlots[r.By.Slot] = true
		}
		s.ReferenceSlots = append(s.ReferenceSlots, slotsOf(r.Table, len(tables[r.Table].Columns), s.Conversation.Members))
	}
	if uses && !s.InsertedOnly {
		tables[plan.MessageTable].Newest = s.NewestBy
	}
}
