package provision

import (
	"slices"
	"strings"
)

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
