package provision

import (
	"fmt"
	"slices"
	"strings"
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

// narrowing is what the publication leaves out of a table, empty for nothing.
func (m *member) narrowing() string {
	text := m.Filter
	if m.Columns != nil {
		text = strings.TrimSpace(text + " only " + strings.Join(m.Columns, ", "))
	}
	return text
}

// Narrowed returns, of the wanted tables that are published in part, by a row
// filter or a column list, in what part. The keys are schema.name.
func (r *Report) Narrowed() map[string]string {
	narrowed := map[string]string{}
	for _, m := range r.members {
		t := Table{Schema: m.Schema, Name: m.Name}
		wanted := slices.ContainsFunc(r.want.published(), func(w Table) bool { return w.String() == t.String() })
		if how := m.narrowing(); how != "" && wanted {
			narrowed[t.String()] = how
		}
	}
	return narrowed
}

// PublishAll is the statement that publishes all of a table again.
func (r *Report) PublishAll(table string) Statement {
	schema, name, _ := strings.Cut(table, ".")
	return Statement{SQL: r.publishAll(Table{Schema: schema, Name: name}), Why: "publishes all of the table", Needs: "ownership of the publication and of the table"}
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
