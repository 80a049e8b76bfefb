package engine

import (
	"fmt"
	"strings"

	"chatbridge/internal/nearest"
	"chatbridge/mapping"
	"chatbridge/mapping/internal/plan"
	"chatbridge/source"
)

// binding is where one shape of a table has the Spec's columns.
type binding struct {
	rel   *source.Relation
	table plan.TableID
	// read is false for a table that the Spec does not read.
	read bool
	// column is, for each slot, the place in the relation, -1 when the table
	// lacks the column.
	column []int
	// trusted tells which slots hold JSON by their type.
	trusted []bool
	// full tells that old rows are whole.
	full bool
	// lacking names a required column that is missing.
	lacking string
}

// maxBindings bounds the tables that are remembered, read or not.
const maxBindings = 1000

// bind returns the binding of a relation, made once for each pointer.
func (m *Mapper) bind(rel *source.Relation) *binding {
	if m.last != nil && m.last.rel == rel {
		return m.last
	}
	b, ok := m.bindings[rel]
	if !ok {
		for old, ob := range m.bindings { // the table's former shapes
			if old.Name == rel.Name && old.Schema == rel.Schema {
				if m.last == ob {
					m.last = nil
				}
				delete(m.bindings, old)
			}
		}
		if len(m.bindings) == maxBindings { // partitions that come and go
			clear(m.bindings)
		}
		b = m.newBinding(rel)
		m.bindings[rel] = b
	}
	m.last = b
	return b
}

func (m *Mapper) newBinding(rel *source.Relation) *binding {
	t, ok := m.tableNamed(rel.Schema, rel.Name)
	b := &binding{rel: rel, table: t, read: ok, full: rel.Identity == source.IdentityFull}
	if !ok {
		return b
	}
	table := &m.tables[t]
	names := make([]string, len(rel.Columns))
	for i, c := range rel.Columns {
		names[i] = c.Name
	}
	b.column = make([]int, len(table.Columns))
	b.trusted = make([]bool, len(table.Columns))
	for slot, c := range table.Columns {
		b.column[slot] = -1
		for i := range rel.Columns {
			if rel.Columns[i].Name == c.Name {
				b.column[slot] = i
				b.trusted[slot] = isJSONType(&rel.Columns[i])
			}
		}
		if b.column[slot] < 0 {
			m.missingColumn(b, table, c, names)
		}
	}
	m.trusted[t] = b.trusted
	return b
}

func (m *Mapper) missingColumn(b *binding, table *mapping.Table, c mapping.Column, names []string) {
	detail := fmt.Sprintf("the table has no column %q, so %s goes without (%s)", c.Name, strings.Join(c.Members, ", "), nearest.Hint(c.Name, names))
	if c.Required {
		b.lacking = c.Name
		detail = fmt.Sprintf("the table has no column %q, without which none of its rows can be mapped: %s", c.Name, nearest.Hint(c.Name, names))
	}
	m.warn(Warning{Reason: "missing_column", Table: table.Schema + "." + table.Name, Key: c.Name, Detail: detail}, c.Name)
}

func isJSONType(c *source.Column) bool {
	const jsonOID, jsonbOID = 114, 3802
	return c.Type == "jsonb" || c.Type == "json" || c.TypeOID == jsonbOID || c.TypeOID == jsonOID
}

// project puts a row's values into dst in the order of the Spec's columns. A
// column that the table lacks is null; what the source did not send is
// Unchanged in a new row and Absent in an old one, and makes it partial.
func (b *binding) project(dst source.Row, row source.Row, missing source.Kind) (out source.Row, partial bool) {
	dst = dst[:0]
	for _, i := range b.column {
		switch {
		case i < 0:
			dst = append(dst, source.Value{Kind: source.Null})
		case i >= len(row) || row[i].Kind == source.Absent || row[i].Kind == source.Unchanged:
			dst = append(dst, source.Value{Kind: missing})
			partial = true
		default:
			dst = append(dst, row[i])
		}
	}
	return dst, partial
}

// fill puts what the source did not send of a new row from another state of
// the row; it tells whether there was any.
func fill(row, from source.Row) (filled bool) {
	for i := range row {
		if row[i].Kind == source.Unchanged && i < len(from) && (from[i].Kind == source.Text || from[i].Kind == source.Null) {
			row[i], filled = from[i], true
		}
	}
	return filled
}

// tableNamed returns the table's number; false when the mapping does not read it.
func (m *Mapper) tableNamed(schema, name string) (plan.TableID, bool) {
	for i := range m.tables {
		if m.tables[i].Name == name && m.tables[i].Schema == schema {
			return plan.TableID(i), true
		}
	}
	return 0, false
}
