package mapping

import (
	"strings"

	"chatbridge/mapping/internal/plan"

	"go.yaml.in/yaml/v3"
)

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
		k := c.keys(at, "reference "+name.Value, "table", "key", "workspace", "by", "message", "unknown")
		out = append(out, referenceNode{id: plan.TableID(len(c.spec.tables)), at: at, keys: k})
		c.table(name.Value, at, k, false)
		if k["message"] != nil { // before expressions are compiled, which may read all its rows
			t := &c.spec.tables[len(c.spec.tables)-1]
			t.Many = c.plainColumn(plan.TableID(len(c.spec.tables)-1), at, k, "message", true)
		}
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
		if n.keys["message"] != nil {
			c.several(n, &r)
			c.spec.plan.References = append(c.spec.plan.References, r)
			continue
		}
		by := n.keys["by"]
		if by == nil {
			c.fail(n.at, "reference %s needs `by:`, the column that points to it, such as conversation.%s_id", t.Role, t.Role)
			continue
		}
		name := by
		if by.Kind == yaml.MappingNode {
			name = c.keys(by, "`by:`", "column", "path")["column"]
		}
		if name == nil {
			name = &yaml.Node{}
		}
		role, column, ok := strings.Cut(name.Value, ".")
		if !ok || role != "message" && role != "conversation" {
			c.fail(by, "`by:` takes a column of message or conversation, such as conversation.%s_id", t.Role)
			continue
		}
		r.By.Table = plan.MessageTable
		if role == "conversation" {
			r.By.Table = plan.ConversationTable
		}
		c.member = ""
		if r.By.Slot = c.slot(r.By.Table, column, by); by != name {
			r.By.Slot = c.placeBelow(r.By.Table, by, r.By.Slot)
		}
		col := &c.spec.tables[r.By.Table].Columns[r.By.Slot]
		base := &c.spec.tables[r.By.Table].Columns[col.From]
		for _, x := range t.Columns { // without the pointer they all go without
			for _, m := range x.Members {
				if col.Members = appendNew(col.Members, m); col.Derived() {
					base.Members = appendNew(base.Members, m)
				}
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
