package postgres

import (
	"fmt"
	"slices"

	"chatbridge/source"
	"chatbridge/source/postgres/pgoutput"
)

// relations are the tables that the server has described on this connection.
// Only the reading goroutine uses them. They are forgotten with the
// connection, because the server describes each table again on the next.
type relations struct {
	tables map[uint32]*source.Relation
	types  map[uint32]string
}

func newRelations() *relations {
	return &relations{tables: map[uint32]*source.Relation{}, types: map[uint32]string{}}
}

// describe takes a new description of a table; the earlier one, which others
// may hold, is left as it is.
func (r *relations) describe(m *pgoutput.Relation) {
	rel := &source.Relation{
		Schema: m.Schema, Name: m.Name,
		Identity: source.Identity(m.Identity),
		Columns:  make([]source.Column, len(m.Columns)),
	}
	for i, c := range m.Columns {
		name := pgoutput.TypeName(c.TypeOID)
		if name == "" {
			name = r.types[c.TypeOID]
		}
		rel.Columns[i] = source.Column{Name: c.Name, Type: name, TypeOID: c.TypeOID, Key: c.Key}
	}
	// The server sends a description after every invalidation of its cache. Most
	// change nothing, and a mapping then keeps its compiled plan.
	if old := r.tables[m.ID]; old != nil && same(old, rel) {
		return
	}
	r.tables[m.ID] = rel
}

func same(a, b *source.Relation) bool {
	return a.Schema == b.Schema && a.Name == b.Name && a.Identity == b.Identity && slices.Equal(a.Columns, b.Columns)
}

// name stores the name of a type that is not built in.
func (r *relations) name(m *pgoutput.Type) { r.types[m.OID] = m.Name }

// table returns the latest description of a table.
func (r *relations) table(id uint32) (*source.Relation, error) {
	if rel := r.tables[id]; rel != nil {
		return rel, nil
	}
	return nil, fmt.Errorf("the server sent a change of table %d without its description", id)
}

// check reports a row that does not fit its table.
func check(rel *source.Relation, row source.Row) error {
	if len(row) != len(rel.Columns) {
		return fmt.Errorf("a row of %s.%s has %d columns, its description %d", rel.Schema, rel.Name, len(row), len(rel.Columns))
	}
	return nil
}
