package reconcile

import (
	"chatbridge/source"
	"chatbridge/source/readback"
)

// Changes makes the changes that the row read back amounts to. Of the old row
// only what the ledger keeps, e, is known, if that is known at all; the rest is
// Absent. A row that was not known is new, and yet may be known to a client from
// elsewhere, with an older state: so an update goes before the insert. recent tells
// that the row would be known if its insert had been published.
func (r *Row) Changes(e *Entry, known, recent bool) []*source.Change {
	c := &source.Change{Op: source.Update, Relation: r.Relation, Late: true, New: make(source.Row, len(r.Relation.Columns))}
	for i := range r.Relation.Columns {
		col := &r.Relation.Columns[i]
		raw, ok := r.Row[col.Name]
		if !ok {
			c.New[i].Kind = source.Absent
			continue
		}
		c.New[i] = readback.Value(raw, col.Type, readback.ReadForm)
	}
	conf := r.Table.Config()
	if !known {
		insert := &source.Change{Op: source.Insert, Relation: r.Relation, Late: true, New: c.New}
		switch {
		case r.Sketch.Created != 0 && !recent:
			// Older than what is remembered; only its update is new.
			return []*source.Change{c}
		case len(conf.Watch) == 0:
			return []*source.Change{insert}
		}
		return []*source.Change{c, insert}
	}
	if !e.Again {
		c.Old = e.Old(r.Table, r.Relation)
	}
	return []*source.Change{c}
}

// Old is what the ledger knows of a row, the rest Absent.
func (e *Entry) Old(t *Table, rel *source.Relation) source.Row {
	conf := t.Config()
	old := make(source.Row, len(rel.Columns))
	for i, k := range conf.Key {
		if j := ColumnIndex(rel, k); j >= 0 && i < len(e.Key) {
			old[j] = source.Value{Kind: source.Text, Data: []byte(e.Key[i])}
		}
	}
	for i, w := range conf.Watch {
		if j := ColumnIndex(rel, w); j >= 0 && i < len(e.Watch) && e.Watch[i].Kind != source.Unchanged {
			old[j] = source.Value{Kind: e.Watch[i].Kind}
			if e.Watch[i].Kind == source.Text {
				old[j].Data = []byte(e.Watch[i].Text)
			}
		}
	}
	return old
}
