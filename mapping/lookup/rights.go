package lookup

import (
	"fmt"
	"slices"
	"strings"

	"chatbridge/mapping"

	"github.com/jackc/pgx/v5"
)

// denied is the SQLSTATE of a statement that the role has no right to.
const denied = "42501"

// DeniedError is a question that the role has no right to ask.
type DeniedError struct {
	// Remedy is the SQL that grants it what the mapping reads, to be run by the
	// tables' owner.
	Remedy string
	Err    error
}

// Error ends in the remedy.
func (e *DeniedError) Error() string {
	return e.Err.Error() + "; run as the tables' owner: " + e.Remedy
}

// Unwrap returns the server's error.
func (e *DeniedError) Unwrap() error { return e.Err }

// rights are what the role may not read of what the mapping reads.
type rights struct {
	remedy  string // the statements that grant it, "" where no right is missing
	without string // one sentence about the columns that are read as null, "" for none
}

func (r *rights) lack() bool { return r.remedy != "" }

// add takes a table's columns, and those that role may not read. It removes these from
// columns, unless one of them is one without which nothing can be found.
func (r *rights) add(t *mapping.Table, role string, columns columnTypes, mayNot map[string]bool) {
	var read, left []string
	unreadable, fails := false, false
	for _, c := range t.Columns {
		if _, exists := columns[c.Name]; !exists || slices.Contains(read, quoted(c.Name)) {
			continue
		}
		read = append(read, quoted(c.Name))
		if !mayNot[c.Name] {
			continue
		}
		unreadable, fails = true, fails || c.Required
		left = append(left, c.Name)
	}
	if !unreadable {
		return
	}
	r.remedy = strings.TrimLeft(r.remedy+fmt.Sprintf(" GRANT USAGE ON SCHEMA %s TO %s; GRANT SELECT (%s) ON %s TO %[2]s;",
		quoted(t.Schema), quoted(role), strings.Join(read, ", "), pgx.Identifier{t.Schema, t.Name}.Sanitize()), " ")
	if !fails {
		for _, name := range left {
			delete(columns, name)
		}
		if r.without != "" {
			r.without += ", and "
		}
		r.without += fmt.Sprintf("the role %s may not read %s of %s.%s: events go without", role, strings.Join(left, ", "), t.Schema, t.Name)
	}
}

func quoted(name string) string { return pgx.Identifier{name}.Sanitize() }
