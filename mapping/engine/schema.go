package engine

import (
	"chatbridge/mapping"
	"chatbridge/mapping/internal/convert"
	"chatbridge/mapping/internal/plan"
	"chatbridge/source"
)

// schema is the Spec as the engine reads it: the plan, and the tables' names.
// Rows are in the order of the Spec's columns.
type schema struct {
	tables []mapping.Table
	plan   *plan.Plan
}

// named returns the table's number; false when the mapping does not read it.
func (s *schema) named(schemaName, name string) (plan.TableID, bool) {
	for i := range s.tables {
		if s.tables[i].Name == name && s.tables[i].Schema == schemaName {
			return plan.TableID(i), true
		}
	}
	return 0, false
}

func (s *schema) withRole(role string) (plan.TableID, bool) {
	for i := range s.tables {
		if s.tables[i].Role == role {
			return plan.TableID(i), true
		}
	}
	return 0, false
}

func (s *schema) reference(t plan.TableID) *plan.Reference {
	return &s.plan.References[t-plan.FirstReference]
}

func (s *schema) columnName(t plan.TableID, slot int) string { return s.tables[t].Columns[slot].Name }

// keyOf returns the key of a table's row; false when the row lacks its key, or
// the workspace that belongs to it.
func (s *schema) keyOf(t plan.TableID, row source.Row) (rowKey, bool) {
	table := &s.tables[t]
	k := rowKey{key: textAt(row, table.Key)}
	if table.Workspace >= 0 {
		if k.workspace = textAt(row, table.Workspace); k.workspace == nil {
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
func (s *schema) oldKeyOf(t plan.TableID, old source.Row, now rowKey) rowKey {
	if key := textAt(old, s.tables[t].Key); key != nil {
		now.key = key
	}
	if slot := s.tables[t].Workspace; slot >= 0 {
		if ws := textAt(old, slot); ws != nil {
			now.workspace = ws
		}
	}
	return now
}

// messageKey is the key of a message's row that is known to have one.
func (s *schema) messageKey(row source.Row) rowKey {
	return rowKey{row[s.plan.Message.Workspace].Data, row[s.plan.Message.Key].Data}
}

// messageOrder returns where a message comes among those of its conversation,
// without when its row does not say.
func (s *schema) messageOrder(row source.Row, without int64) int64 {
	if v := row[s.plan.NewestBy]; v.Kind == source.Text {
		return convert.TimeOrder(v.Data)
	}
	return without
}

// firstOrder comes before all others.
const firstOrder = int64(-1 << 63)
