package mapping

import (
	"chatbridge/mapping/contract"
	"chatbridge/mapping/internal/convert"
	"chatbridge/mapping/internal/plan"

	"go.yaml.in/yaml/v3"
)

func (c *compiler) messageSection(at *yaml.Node, k map[string]*yaml.Node) {
	s := &c.spec.plan.Message
	s.Table = plan.MessageTable
	s.Key = c.keyColumn(plan.MessageTable, at, k, "key", true)
	s.Workspace = c.keyColumn(plan.MessageTable, at, k, "workspace", false)
	s.Conversation = c.keyColumn(plan.MessageTable, at, k, "conversation", false)
	s.UnknownChanged = c.unknown(k["unknown"])
	c.spec.plan.NewestBy = c.plainColumn(plan.MessageTable, at, k, "newest_by", false)
	c.spec.tables[plan.MessageTable].Key = max(s.Key, 0)
	c.spec.tables[plan.MessageTable].Conversation = s.Conversation
	c.spec.tables[plan.MessageTable].Workspace = s.Workspace
	s.Members = c.members(plan.MessageTable, at, k["members"], formOf[contract.WebSocketMessage]("message"))
	if n := k["where"]; n != nil {
		c.messageWhere(n)
	}
	if n := k["names"]; n != nil {
		c.names(n)
	}
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

// names compiles the other ids of a message. messageStatus waits for nothing, so they
// are of the message's own columns.
func (c *compiler) names(n *yaml.Node) {
	c.section = plan.MessageTable
	k := c.keys(n, "names", "provider", "client")
	for _, name := range []string{"provider", "client"} {
		if k[name] == nil {
			continue
		}
		c.member = "messageStatus.messageId"
		x := c.compile(k[name], memberForm{name: "`" + name + ":`", form: convert.FormText}, 0)
		c.member = ""
		if x != nil && !ownColumns(x) {
			c.fail(k[name], "`%s:` reads columns of the message alone", name)
			return
		}
		if x != nil {
			c.spec.plan.Names = append(c.spec.plan.Names, x)
		}
	}
}

// messageSlots tells which columns make which event of an UPDATE.
func (c *compiler) messageSlots(s *plan.Section, follows, changes []int) {
	n := len(c.spec.tables[plan.MessageTable].Columns)
	c.statusSlots, c.followSlots = make([]bool, n), make([]bool, n)
	c.spec.plan.StatusMember.Walk(func(r plan.Ref) {
		if r.Table == plan.MessageTable {
			c.statusSlots[r.Slot] = true
		}
	})
	for _, slot := range follows {
		c.followSlots[slot] = true
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
		visible[slot] = visible[slot] && !c.statusSlots[slot]
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

// conversationSlots tells which columns of a table conversation events depend on.
func conversationSlots(t plan.TableID, n int, s *plan.Section) []bool {
	out := slotsOf(t, n, s.Members)
	if s.Where != nil {
		s.Where.Walk(func(r plan.Ref) {
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
	s.Members = c.members(plan.ConversationTable, at, k["members"], formOf[contract.WebSocketConversation]("conversation"))
	if n := k["where"]; n != nil {
		c.section = plan.ConversationTable
		s.Where = c.condition(n, 0)
	}
	changes := c.columnList(plan.ConversationTable, k["changes"], "changes")
	visible := conversationSlots(plan.ConversationTable, len(c.spec.tables[plan.ConversationTable].Columns), s)
	s.Listed = changes != nil
	if s.Listed {
		clear(visible)
		for _, slot := range changes {
			visible[slot] = true
		}
		if s.Where != nil { // one that is let through from now on is new to clients
			s.Where.Walk(func(r plan.Ref) {
				if r.Table == plan.ConversationTable {
					visible[r.Slot] = true
				}
			})
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
	c.spec.plan.Typing = c.memberList("typing", plan.ConversationTable, at, k["members"], formOf[contract.TypingUpdate]("typing"))
}
