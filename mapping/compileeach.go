package mapping

import (
	"slices"

	"chatbridge/internal/nearest"
	"chatbridge/mapping/internal/convert"
	"chatbridge/mapping/internal/plan"

	"go.yaml.in/yaml/v3"
)

// each compiles {each: file, give: {object: …}}: a list of what the rows of a
// reference give that point to the message.
func (c *compiler) each(n *yaml.Node, k map[string]*yaml.Node, m memberForm, depth int) plan.Expr {
	v := k["each"]
	var names []string
	for i := range c.spec.tables {
		if c.spec.tables[i].Many >= 0 {
			names = append(names, c.spec.tables[i].Role)
		}
	}
	if c.section != plan.MessageTable || !slices.Contains(names, v.Value) {
		c.fail(v, "`each:` takes, in message, a reference with `message:`, of which a message has several rows: %s", nearest.Hint(v.Value, names))
		return nil
	}
	if k["give"] == nil {
		c.fail(n, "`each:` needs `give:`, what each row gives, such as {object: {url: %s.url}}", v.Value)
		return nil
	}
	if c.formed(n, m, convert.FormArray, &plan.Array{}) == nil {
		return nil
	}
	elem := memberForm{name: m.name}
	if m.of != nil {
		elem = memberForm{name: m.name, form: convert.FormObject, of: m.of}
	}
	of := c.compile(k["give"], elem, depth+1)
	if of == nil {
		return nil
	}
	table := slices.IndexFunc(c.spec.tables, func(t Table) bool { return t.Role == v.Value })
	return &plan.Each{Table: plan.TableID(table), Of: of}
}

// several compiles the keys of a reference of which a message has several rows.
func (c *compiler) several(n referenceNode, r *plan.Reference) {
	t, message := &c.spec.tables[n.id], &c.spec.tables[plan.MessageTable]
	r.Many, r.By = true, plan.Ref{Table: plan.MessageTable, Slot: message.Key}
	t.Stream = true
	switch {
	case n.keys["by"] != nil:
		c.fail(n.keys["by"], "reference %s has `message:`, its column that points to the message, so it has no `by:`", t.Role)
	case t.Workspace < 0:
		c.fail(n.at, "reference %s needs `workspace:`, for its rows are those of a message of the same workspace", t.Role)
	case len(message.Columns) > 0 && message.Columns[message.Key].Derived():
		c.fail(n.keys["message"], "reference %s points to a message by one column, so `key:` of message takes one", t.Role)
	}
	for _, m := range c.spec.plan.Conversation.Members {
		m.Value.Walk(func(ref plan.Ref) {
			if ref.Table == n.id {
				c.fail(n.at, "conversation.%s reads %s, of which a message has several rows: only message can show them", m.Name, t.Role)
			}
		})
	}
}
