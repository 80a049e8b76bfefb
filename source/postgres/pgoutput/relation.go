package pgoutput

import "fmt"

// Relation describes a table. It comes before the first change of the table
// on each connection and again whenever its shape may have changed, also
// within a transaction. All of it is copied and stays valid.
type Relation struct {
	ID uint32
	// Schema is pg_catalog where the server sends an empty one.
	Schema, Name string
	// Identity is pg_class.relreplident: d, n, f or i.
	Identity byte
	Columns  []RelationColumn
}

// RelationColumn describes a column of a Relation.
type RelationColumn struct {
	// Key tells that the column is part of the replica identity; under
	// identity full each is.
	Key     bool
	Name    string
	TypeOID uint32
	// TypeMod is pg_attribute.atttypmod, -1 for none.
	TypeMod int32
}

// minColumn is the least number of bytes that a column takes.
const minColumn = 1 + 1 + 4 + 4

func (m *Relation) decode(r *reader) error {
	*m = Relation{ID: r.uint32(), Schema: r.cstring(), Name: r.cstring(), Identity: r.byte()}
	if m.Schema == "" {
		m.Schema = "pg_catalog"
	}
	n := int(r.uint16())
	if n*minColumn > len(r.b) {
		return fmt.Errorf("decode Relation: %d columns do not fit into %d bytes", n, len(r.b))
	}
	m.Columns = make([]RelationColumn, n)
	for i := range m.Columns {
		m.Columns[i] = RelationColumn{
			Key: r.byte()&1 != 0, Name: r.cstring(), TypeOID: r.uint32(), TypeMod: int32(r.uint32()),
		}
	}
	return r.end("Relation")
}

// Type names a type that is not built in. It comes before a Relation that
// uses it. For a domain it is the name of the type below it.
type Type struct {
	OID          uint32
	Schema, Name string
}

func (m *Type) decode(r *reader) error {
	*m = Type{OID: r.uint32(), Schema: r.cstring(), Name: r.cstring()}
	if m.Schema == "" {
		m.Schema = "pg_catalog"
	}
	return r.end("Type")
}
