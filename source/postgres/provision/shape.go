package provision

import (
	"fmt"
	"slices"
)

// Shape is what decides which changes of the wanted tables reach a stream, in a
// form that can be compared: a text differs once its object was changed or created
// again under its name, even with the same definition. need returns the columns
// that count for a table.
func (r *Report) Shape(need func(t Table) []string) map[string]string {
	shape := map[string]string{}
	if r.publicationExists {
		shape["publication "+r.want.Publication] = fmt.Sprintf("%d:%s", r.pub.OID, r.pub.XMin)
	}
	for _, m := range r.members {
		t := Table{Schema: m.Schema, Name: m.Name}
		if slices.ContainsFunc(r.want.published(), func(w Table) bool { return w.String() == t.String() }) {
			shape["table "+t.String()] = fmt.Sprintf("%d %s %s", m.OID, m.Row, m.narrowing())
		}
	}
	for _, t := range r.want.published() {
		needed := need(t)
		for _, c := range r.columns[t.String()] {
			if slices.Contains(needed, c.name) {
				shape["column "+t.String()+"."+c.name] = fmt.Sprint(c.number)
			}
		}
	}
	return shape
}

// ColumnsOf returns the names of the columns of a wanted table, in their order;
// nil where there is none.
func (r *Report) ColumnsOf(schema, table string) []string {
	var names []string
	for _, c := range r.columns[schema+"."+table] {
		names = append(names, c.name)
	}
	return names
}
