package mapping

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"chatbridge/internal/nearest"
)

// Check compares the Spec with the columns that the tables really have.
// columns returns their names, nil when there is no such table.
//
// A column that the operator's own file names and the table lacks is an error,
// an *Error with file, line and the nearest column that there is; so is a
// column without which nothing can be mapped, a table of messages or
// conversations that is missing, and a table that has none of the columns of a
// member without which a message tells nothing (essential). Any other column that only the preset names costs the
// members that read it, and a missing reference those that it feeds: these are
// warnings.
func (s *Spec) Check(columns func(schema, table string) []string) (warnings []Problem, err error) {
	var problems []Problem
	lost := s.lost(columns)
	for i := range s.tables {
		t := &s.tables[i]
		real := columns(t.Schema, t.Name)
		if len(real) == 0 {
			p := Problem{File: t.at.file, Line: t.at.line, Table: t.Schema + "." + t.Name, Text: fmt.Sprintf("there is no table %s.%s, which the mapping has as %s", t.Schema, t.Name, t.Role)}
			if t.Stream || t.own {
				problems = append(problems, p)
			} else {
				if members := t.members(); len(members) > 0 {
					p.Text += ": what it feeds goes without: " + strings.Join(members, ", ")
				}
				warnings = append(warnings, p)
			}
			continue
		}
		has := make(map[string]bool, len(real))
		for _, name := range real {
			has[name] = true
		}
		for _, c := range t.Columns {
			if has[c.Name] || c.Optional || c.Derived() {
				continue
			}
			p := Problem{File: c.at.file, Line: c.at.line, Text: fmt.Sprintf("%s.%s has no column %q: %s", t.Schema, t.Name, c.Name, nearest.Hint(c.Name, real))}
			if !t.Stream && t.Workspace >= 0 && c.Name == t.Columns[t.Workspace].Name {
				p.Text += fmt.Sprintf("; where its ids are one in the whole table write `references: {%s: {workspace: null}}`", t.Role)
			}
			if c.Required || c.own {
				problems = append(problems, p)
				continue
			}
			if len(c.Members) > 0 {
				p.Text += "; without it goes " + strings.Join(c.Members, ", ")
			}
			if i := slices.IndexFunc(c.Members, func(m string) bool { return lost[m] }); i >= 0 {
				p.Text += "; every message would go out without its " + strings.TrimPrefix(c.Members[i], "message.")
				problems = append(problems, p)
				continue
			}
			warnings = append(warnings, p)
		}
	}
	if len(problems) > 0 {
		return warnings, &Error{Problems: problems}
	}
	return warnings, nil
}

// essential are the members without which a message tells nothing. Those that name it
// and its conversation are of columns that are Required.
var essential = []string{"message.content", "message.createdAt"}

// lost returns the essential members that are of columns of which none is there.
func (s *Spec) lost(columns func(schema, table string) []string) map[string]bool {
	fed, lost := map[string]bool{}, map[string]bool{}
	for i := range s.tables {
		t := &s.tables[i]
		real := columns(t.Schema, t.Name)
		for _, c := range t.Columns {
			for _, m := range c.Members {
				if slices.Contains(essential, m) {
					lost[m] = true
					fed[m] = fed[m] || slices.Contains(real, c.Name)
				}
			}
		}
	}
	maps.DeleteFunc(lost, func(m string, _ bool) bool { return fed[m] })
	return lost
}

// members lists the members that any of the table's columns feeds.
func (t *Table) members() []string {
	var out []string
	for _, c := range t.Columns {
		for _, m := range c.Members {
			out = appendNew(out, m)
		}
	}
	return out
}
