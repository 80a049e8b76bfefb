package engine

import (
	"bytes"

	"chatbridge/mapping/internal/plan"
	"chatbridge/source"
)

// RowKey says which row is meant: its key, and the workspace within which that
// key is one. Ids such as a phone's digits are unique in their workspace only.
// Workspace is "" for a reference whose mapping names no workspace column: its
// key means one row wherever it is used.
type RowKey struct{ Workspace, Key string }

// rowKey is a RowKey that borrows its bytes.
type rowKey struct{ workspace, key []byte }

func (k rowKey) owned() RowKey { return RowKey{string(k.workspace), string(k.key)} }

func (k RowKey) bytes() rowKey { return rowKey{[]byte(k.Workspace), []byte(k.Key)} }

func (k rowKey) equal(o rowKey) bool {
	return bytes.Equal(k.key, o.key) && bytes.Equal(k.workspace, o.workspace)
}

// rowKeyOf returns the key of a table's row; false when the row lacks its key,
// or the workspace that belongs to it.
func (m *Mapper) rowKeyOf(t plan.TableID, row source.Row) (rowKey, bool) {
	table := &m.tables[t]
	k := rowKey{key: m.keyOf(row, table.Key)}
	if table.Workspace >= 0 {
		if k.workspace = m.keyOf(row, table.Workspace); k.workspace == nil {
			return k, false
		}
	}
	return k, k.key != nil
}

// oldKeyOf returns the key that a row had before an UPDATE, now being its
// present one. An old row without the key did not change it. One with the key
// and without the workspace comes of a table whose replica identity is the key
// alone; the key is then one in the whole table, and the workspace taken to be
// the present one.
func (m *Mapper) oldKeyOf(t plan.TableID, now rowKey) rowKey {
	if key := m.keyOf(m.old, m.tables[t].Key); key != nil {
		now.key = key
	}
	if slot := m.tables[t].Workspace; slot >= 0 {
		if ws := m.keyOf(m.old, slot); ws != nil {
			now.workspace = ws
		}
	}
	return now
}

// keyOf returns a column of a row that may not have it.
func (m *Mapper) keyOf(row source.Row, slot int) []byte {
	if slot < len(row) && row[slot].Kind == source.Text {
		return row[slot].Data
	}
	return nil
}
