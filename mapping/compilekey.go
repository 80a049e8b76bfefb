package mapping

import (
	"slices"
	"strings"

	"chatbridge/mapping/internal/plan"

	"go.yaml.in/yaml/v3"
)

// keyColumn takes a key of a section whose value says what identifies something: the
// name of a column, {column: name, path: a.b} for a place inside a JSON column, or,
// where several is true, a list of them.
func (c *compiler) keyColumn(t plan.TableID, at *yaml.Node, k map[string]*yaml.Node, key string, several bool) int {
	n := k[key]
	switch {
	case n == nil || n.Kind == yaml.ScalarNode || n.Kind == yaml.SequenceNode && !several:
		return c.plainColumn(t, at, k, key, true)
	case n.Kind == yaml.SequenceNode:
		return c.severalColumns(t, n, key)
	}
	return c.placeColumn(t, n, key)
}

// severalColumns compiles a list of columns that identify a row together.
func (c *compiler) severalColumns(t plan.TableID, n *yaml.Node, key string) int {
	joined := Column{Required: true, at: c.place(n), own: c.origin[n]}
	var names []string
	for _, e := range n.Content {
		slot := c.keyColumn(t, n, map[string]*yaml.Node{key: deref(e)}, key, false)
		if slot < 0 {
			return -1
		}
		joined.Parts, names = append(joined.Parts, slot), append(names, c.spec.tables[t].Columns[slot].String())
	}
	if len(names) < 2 {
		c.fail(n, "`%s:` takes the name of a column, or a list of several", key)
		return -1
	}
	joined.Name = strings.Join(names, " and ")
	return c.derived(t, joined)
}

// placeColumn compiles {column: name, path: a.b}.
func (c *compiler) placeColumn(t plan.TableID, n *yaml.Node, key string) int {
	k := c.keys(n, "`"+key+":`", "column", "path")
	if k["path"] == nil {
		c.fail(n, "`%s:` takes the name of a column, or {column: name, path: a.b} for a place inside a JSON column", key)
		return -1
	}
	from := c.plainColumn(t, n, k, "column", true)
	if from < 0 {
		return -1
	}
	slot := c.placeBelow(t, n, from)
	c.spec.tables[t].Columns[slot].Required = true
	return slot
}

// placeBelow adds the place that n has as `path:`, inside the column of slot from.
func (c *compiler) placeBelow(t plan.TableID, n *yaml.Node, from int) int {
	k := c.keys(n, "a place inside JSON", "column", "path")
	column := Column{Name: c.spec.tables[t].Columns[from].Name, From: from, at: c.place(n), own: c.origin[n]}
	if k["path"] != nil {
		column.Path = c.path(k["path"])
	}
	if len(column.Path) == 0 {
		c.fail(n, "a place inside JSON needs `path:`, such as {column: data, path: a.b}")
		return from
	}
	return c.derived(t, column)
}

// derived adds a column that is made of others, once.
func (c *compiler) derived(t plan.TableID, column Column) int {
	table := &c.spec.tables[t]
	for _, slot := range table.derived {
		if x := &table.Columns[slot]; x.Name == column.Name && slices.Equal(x.Path, column.Path) && slices.Equal(x.Parts, column.Parts) {
			return slot
		}
	}
	slot := len(table.Columns)
	table.Columns, table.derived = append(table.Columns, column), append(table.derived, slot)
	return slot
}
