package mapping

import (
	"strings"

	"go.yaml.in/yaml/v3"
)

func (c *compiler) messageSection(at *yaml.Node, k map[string]*yaml.Node) {
	s := &c.spec.plan.message
	s.table = messageTable
	s.key = c.plainColumn(messageTable, at, k, "key", true)
	s.workspace = c.plainColumn(messageTable, at, k, "workspace", true)
	s.conversation = c.plainColumn(messageTable, at, k, "conversation", true)
	s.unknownChanged = c.unknown(k["unknown"])
	c.spec.plan.newestBy = c.plainColumn(messageTable, at, k, "newest_by", false)
	c.spec.tables[messageTable].Key = max(s.key, 0)
	c.spec.tables[messageTable].Conversation = s.conversation
	c.spec.tables[messageTable].Workspace = s.workspace
	s.members = c.members(messageTable, at, k["members"], shapeOf[WebSocketMessage]("message"))
	follows := c.columnList(messageTable, k["follows"], "follows")
	changes := c.columnList(messageTable, k["changes"], "changes")
	if len(c.problems) > 0 {
		return
	}
	for i := range s.members {
		switch m := &s.members[i]; m.name {
		case "id":
			c.spec.plan.idMember, m.mark = m.value, markID
		case "status":
			m.value, m.mark = c.status(m.value), markStatus
		}
	}
	c.messageSlots(s, follows, changes)
}

// messageSlots tells which columns make which event of an UPDATE.
func (c *compiler) messageSlots(s *section, follows, changes []int) {
	n := len(c.spec.tables[messageTable].Columns)
	c.spec.plan.statusSlots, c.spec.plan.followSlots = make([]bool, n), make([]bool, n)
	c.spec.plan.statusMember.walk(func(r ref) {
		if r.table == messageTable {
			c.spec.plan.statusSlots[r.slot] = true
		}
	})
	for _, slot := range follows {
		c.spec.plan.followSlots[slot] = true
	}
	visible := slotsOf(messageTable, n, s.members)
	s.listed = changes != nil
	if s.listed {
		clear(visible)
		for _, slot := range changes {
			visible[slot] = true
		}
	}
	for slot := range visible {
		visible[slot] = visible[slot] && !c.spec.plan.statusSlots[slot]
	}
	c.spec.plan.visibleSlots[messageTable] = visible
}

// slotsOf tells which columns of a table the members read.
func slotsOf(t tableID, n int, members []memberExpr) []bool {
	out := make([]bool, n)
	for i := range members {
		members[i].value.walk(func(r ref) {
			if r.table == t {
				out[r.slot] = true
			}
		})
	}
	return out
}

func (c *compiler) conversationSection(at *yaml.Node, k map[string]*yaml.Node) {
	s := &c.spec.plan.conversation
	s.table, s.conversation = conversationTable, -1
	s.key = c.plainColumn(conversationTable, at, k, "key", true)
	s.workspace = c.plainColumn(conversationTable, at, k, "workspace", true)
	s.unknownChanged = c.unknown(k["unknown"])
	c.spec.tables[conversationTable].Key = max(s.key, 0)
	c.spec.tables[conversationTable].Workspace = s.workspace
	switch n := k["last_message"]; {
	case n == nil || n.Value == "newest":
	case n.Value == "inserted":
		c.spec.plan.insertedOnly = true
	default:
		c.fail(n, "`last_message:` is newest or inserted, not %q", n.Value)
	}
	s.members = c.members(conversationTable, at, k["members"], shapeOf[WebSocketConversation]("conversation"))
	changes := c.columnList(conversationTable, k["changes"], "changes")
	visible := slotsOf(conversationTable, len(c.spec.tables[conversationTable].Columns), s.members)
	s.listed = changes != nil
	if s.listed {
		clear(visible)
		for _, slot := range changes {
			visible[slot] = true
		}
	}
	c.spec.plan.visibleSlots[conversationTable] = visible
}

func (c *compiler) typingSection(at *yaml.Node) {
	k := c.keys(at, "typing", "column", "members")
	c.section = conversationTable
	c.spec.plan.typingSlot = c.plainColumn(conversationTable, at, k, "column", true)
	if c.spec.plan.typingSlot >= 0 {
		// A table without the column makes no typing events, that is all.
		x := &c.spec.tables[conversationTable].Columns[c.spec.plan.typingSlot]
		x.Required = false
		x.Members = append(x.Members, "typing")
	}
	c.spec.plan.typing = c.memberList("typing", conversationTable, at, k["members"], shapeOf[TypingUpdate]("typing"))
}

// referenceNode is a reference that is declared but not compiled yet.
type referenceNode struct {
	id   tableID
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
		if len(out) == maxReferences {
			c.fail(name, "more than %d references", maxReferences)
			return out
		}
		k := c.keys(at, "reference "+name.Value, "table", "key", "workspace", "by", "unknown")
		out = append(out, referenceNode{id: tableID(len(c.spec.tables)), at: at, keys: k})
		c.table(name.Value, at, k, false)
	}
	return out
}

func (c *compiler) referenceSections(nodes []referenceNode) {
	for _, n := range nodes {
		r := reference{id: n.id, unknownChanged: c.unknown(n.keys["unknown"])}
		r.key = c.plainColumn(n.id, n.at, n.keys, "key", true)
		t := &c.spec.tables[n.id]
		t.Key = max(r.key, 0)
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
		r.by.table = messageTable
		if role == "conversation" {
			r.by.table = conversationTable
		}
		c.member = ""
		r.by.slot = c.slot(r.by.table, column, by)
		col := &c.spec.tables[r.by.table].Columns[r.by.slot]
		for _, x := range t.Columns { // without the pointer they all go without
			for _, m := range x.Members {
				col.Members = appendNew(col.Members, m)
			}
		}
		t.By, t.ByColumn = role, r.by.slot
		c.spec.plan.references = append(c.spec.plan.references, r)
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
func markColumns(x expr, slots []bool) {
	switch x := x.(type) {
	case *columnExpr:
		if x.ref.table == messageTable {
			slots[x.ref.slot] = true
		}
	case *firstExpr:
		for _, o := range x.of {
			markColumns(o, slots)
		}
	}
}

// finish derives what needs the whole Spec.
func (c *compiler) finish() {
	s, tables := &c.spec.plan, c.spec.tables
	grow := func(p *[]bool, t tableID) {
		for len(*p) < len(tables[t].Columns) {
			*p = append(*p, false)
		}
	}
	s.contentSlots = make([]bool, len(tables[messageTable].Columns))
	for i := range s.message.members {
		if m := &s.message.members[i]; m.name == "content" {
			markColumns(m.value, s.contentSlots)
		}
	}
	s.keptSlots = make([]bool, len(tables[messageTable].Columns))
	for n, x := range s.kept {
		if n == s.statusKept {
			continue
		}
		x.walk(func(r ref) { s.keptSlots[r.slot] = true })
	}
	grow(&s.statusSlots, messageTable)
	grow(&s.followSlots, messageTable)
	grow(&s.visibleSlots[messageTable], messageTable)
	grow(&s.visibleSlots[conversationTable], conversationTable)
	s.newestSlots = slotsOf(messageTable, len(tables[messageTable].Columns), s.conversation.members)
	s.newestSlots[s.message.key] = true
	s.newestSlots[s.message.conversation] = true
	s.newestSlots[s.message.workspace] = true
	uses := false
	for i, used := range slotsOf(messageTable, len(tables[messageTable].Columns), s.conversation.members) {
		uses = uses || used
		if used && s.newestBy < 0 {
			c.problems = append(c.problems, Problem{
				File: c.base, Line: 1,
				Text: "conversation reads message." + tables[messageTable].Columns[i].Name +
					", so message needs `newest_by:`, the column that orders messages",
			})
			return
		}
	}
	if s.newestBy >= 0 {
		s.newestSlots[s.newestBy] = true
	}
	for _, r := range s.references {
		if r.by.table == messageTable {
			s.newestSlots[r.by.slot] = true
		}
		s.referenceSlots = append(s.referenceSlots, slotsOf(r.id, len(tables[r.id].Columns), s.conversation.members))
	}
	if uses && !s.insertedOnly {
		tables[messageTable].Newest = s.newestBy
	}
}
