package mapping

import (
	"fmt"
	"strings"

	"chatbridge/mapping/internal/convert"
	"chatbridge/mapping/internal/plan"
)

// timeColumn is a column that is printed as a time and has no unit.
type timeColumn struct {
	ref plan.Ref
	at  place
}

// CheckTypes compares the Spec with the types of the columns: a time from a
// column of numbers needs `unit:`, for nobody can tell seconds from
// milliseconds for sure. typeOf returns a column's type as Postgres's
// format_type or pg_type.typname have it, such as bigint or int8, "" when it is
// not known. The error is an *Error that names file and line.
func (s *Spec) CheckTypes(typeOf func(schema, table, column string) string) error {
	var problems []Problem
	seen := map[plan.Ref]bool{}
	for _, c := range s.times {
		t := &s.tables[c.ref.Table]
		name := t.Columns[c.ref.Slot].Name
		kind := typeOf(t.Schema, t.Name, name)
		if seen[c.ref] || !isNumberType(kind) {
			continue
		}
		seen[c.ref] = true
		problems = append(problems, Problem{
			File: c.at.file, Line: c.at.line,
			Text: fmt.Sprintf("%s.%s.%s is a number (%s): say what it counts since 1970, such as {time: %s, unit: seconds}; "+
				"there are %s", t.Schema, t.Name, name, kind, name, strings.Join(convert.UnitNames, ", ")),
		})
	}
	if len(problems) > 0 {
		return &Error{Problems: problems}
	}
	return nil
}

func isNumberType(name string) bool {
	name, _, _ = strings.Cut(strings.ToLower(name), "(") // numeric(20,0)
	switch strings.TrimSpace(name) {
	case "smallint", "integer", "bigint", "int2", "int4", "int8", "int", "numeric", "decimal", "real", "double precision", "float4", "float8":
		return true
	}
	return false
}
