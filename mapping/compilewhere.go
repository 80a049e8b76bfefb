package mapping

import (
	"slices"

	"chatbridge/mapping/internal/plan"

	"go.yaml.in/yaml/v3"
)

// messageWhere compiles `where:` of message. A conversation's newest message is asked
// of the database under the same condition, so it reads the message's own columns, by
// what a database can be asked. Without its columns no message could be told from one
// that is to be left out, so they are required.
func (c *compiler) messageWhere(n *yaml.Node) {
	s := &c.spec.plan
	c.section, c.member = plan.MessageTable, ""
	s.Message.Where = c.condition(n, 0)
	if s.Message.Where == nil {
		return
	}
	if !askable(s.Message.Where) {
		c.fail(n, "`where:` of message is asked of the database too: it takes is, in, begins and begins_not, "+
			"of the message's own columns, one at a time, and any, all, not")
		return
	}
	s.Message.Where.Walk(func(r plan.Ref) {
		s.WhereSlots = append(s.WhereSlots, r.Slot)
		c.spec.tables[plan.MessageTable].Columns[r.Slot].Required = true
	})
}

// askable reports whether a condition reads messages alone and can be written in SQL and
// as filters of PostgREST: mapping/lookup does it.
func askable(c plan.Condition) bool {
	switch c := c.(type) {
	case *plan.Any:
		return allAskable(c.Of)
	case *plan.All:
		return allAskable(c.Of)
	case *plan.Not:
		return askable(c.Of)
	case *plan.In:
		return ownValue(c.Of)
	case *plan.Present:
		if b, ok := c.Of.(*plan.Begins); ok {
			return ownValue(b.Of)
		}
		return ownValue(c.Of)
	}
	return false
}

func allAskable(of []plan.Condition) bool {
	return !slices.ContainsFunc(of, func(c plan.Condition) bool { return !askable(c) })
}

// ownValue tells a column of messages, or a place inside one.
func ownValue(x plan.Expr) bool {
	switch x := x.(type) {
	case *plan.Column:
		return x.Ref.Table == plan.MessageTable
	case *plan.Path:
		x.Of.AsIs = true // as the database takes it
		return x.Of.Of.Ref.Table == plan.MessageTable
	}
	return false
}
