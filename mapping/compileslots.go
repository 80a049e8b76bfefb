package mapping

import "chatbridge/mapping/internal/plan"

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
	grow(&s.VisibleSlots[plan.MessageTable], plan.MessageTable)
	grow(&s.VisibleSlots[plan.ConversationTable], plan.ConversationTable)
	s.NewestSlots = conversationSlots(plan.MessageTable, len(tables[plan.MessageTable].Columns), &s.Conversation)
	uses := false
	for i, used := range s.NewestSlots {
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
	s.NewestSlots[s.Message.Key] = true
	s.NewestSlots[s.Message.Conversation] = true
	s.NewestSlots[s.Message.Workspace] = true
	if s.NewestBy >= 0 {
		s.NewestSlots[s.NewestBy] = true
	}
	if s.Conversation.Where != nil {
		s.Conversation.Where.Walk(func(r plan.Ref) {
			if col := &tables[r.Table].Columns[r.Slot]; len(col.Members) == 0 {
				col.Optional = !col.Required && !col.own
			}
		})
	}
	for _, r := range s.References {
		s.Many = s.Many || r.Many
		if r.By.Table == plan.MessageTable {
			s.NewestSlots[r.By.Slot] = true
		}
		s.ReferenceSlots = append(s.ReferenceSlots, conversationSlots(r.Table, len(tables[r.Table].Columns), &s.Conversation))
	}
	if uses && !s.InsertedOnly {
		tables[plan.MessageTable].Newest = s.NewestBy
	}
	c.messageUses()
}

// messageUses tells what each of the message's columns is used for.
func (c *compiler) messageUses() {
	s, table := &c.spec.plan, &c.spec.tables[plan.MessageTable]
	s.Uses = make([]plan.Use, len(table.Columns))
	mark := func(slots []bool, use plan.Use) {
		for slot, used := range slots {
			if used {
				s.Uses[slot] |= use
			}
		}
	}
	mark(s.VisibleSlots[plan.MessageTable], plan.UseVisible)
	mark(c.followSlots, plan.UseFollow)
	mark(c.statusSlots, plan.UseStatus)
	if table.Newest >= 0 {
		mark(s.NewestSlots, plan.UsePreview)
	}
	for n, x := range s.Kept {
		if n != s.StatusKept {
			x.Walk(func(r plan.Ref) { s.Uses[r.Slot] |= plan.UseKept })
		}
	}
}
