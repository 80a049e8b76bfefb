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
	// full: old rows come with all columns (replica identity full).
	full bool
	// missing names a required column that the table lacks.
	missing string
	// derived is the table where it has columns that are made of others, else nil.
	derived *mapping.Table
	// scratch has the derived values of the present change's rows.
	scratch *[]byte
}

// maxBindings bounds the tables that are remembered, read or not.
const maxBindings = 1000

// bindings finds the binding of a relation.
type bindings struct {
	schema
	report *reporter
	of     map[*source.Relation]*binding
	last   *binding
	// trusted tells which columns of which tables hold JSON by their type, as the
	// latest binding of each table has it.
	trusted [plan.MaxTables][]bool
	// scratch is the bindings'.
	scratch []byte
}

// get returns the binding of a relation, made once for each pointer.
func (bs *bindings) get(rel *source.Relation) *binding {
	if bs.last != nil && bs.last.rel == rel {
		return bs.last
	}
	b, ok := bs.of[rel]
	if !ok {
		for old, ob := range bs.of { // the table's former shapes
			if old.Name == rel.Name && old.Schema == rel.Schema {
				if bs.last == ob {
					bs.last = nil
				}
				delete(bs.of, old)
			}
		}
		if len(bs.of) == maxBindings { // partitions that come and go
			clear(bs.of)
		}
		b = bs.make(rel)
		bs.of[rel] = b
	}
	bs.last = b
	return b
}

func (bs *bindings) make(rel *source.Relation) *binding {
	t, ok := bs.named(rel.Schema, rel.Name)
	b := &binding{rel: rel, table: t, read: ok, full: rel.Identity == source.IdentityFull, scratch: &bs.scratch}
	if !ok {
		return b
	}
	table := &bs.tables[t]
	b.column = make([]int, len(table.Columns))
	b.trusted = make([]bool, len(table.Columns))
	for slot, c := range table.Columns {
		if b.column[slot] = -1; c.Derived() {
			b.derived = table
			continue
		}
		for i := range rel.Columns {
			if rel.Columns[i].Name == c.Name {
				b.column[slot] = i
				b.trusted[slot] = isJSONType(&rel.Columns[i])
			}
		}
		if b.column[slot] < 0 && !c.Optional {
			bs.missingColumn(b, c)
		}
	}
	bs.trusted[t] = b.trusted
	return b
}

func (bs *bindings) missingColumn(b *binding, c mapping.Column) {
	names := make([]string, len(b.rel.Columns))
	for i, have := range b.rel.Columns {
		names[i] = have.Name
	}
	without := ""
	if len(c.Members) > 0 {
		without = fmt.Sprintf(", so %s goes without", strings.Join(c.Members, ", "))
	}
	detail := fmt.Sprintf("the table has no column %q%s (%s)", c.Name, without, nearest.Hint(c.Name, names))
	if c.Required {
		b.missing = c.Name
		detail = fmt.Sprintf("the table has no column %q, without which none of its rows can be mapped: %s", c.Name, nearest.Hint(c.Name, names))
	}
	bs.report.warn("missing_column", b.table, c.Name, c.Name, detail)
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
	if b.derived != nil {
		*b.scratch = b.derived.Derive(dst, *b.scratch)
	}
	return dst, partial
}
