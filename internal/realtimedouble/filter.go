package realtimedouble

import (
	"fmt"
	"strings"

	"chatbridge/internal/sqlquote"
)

// filter is one condition of a binding.
type filter struct {
	column, op, value string
	not               bool
}

func (f filter) inspect() string {
	return fmt.Sprintf("{%s, %s, %s, %t}", quote(f.column), quote(f.op), quote(f.value), f.not)
}

var operators = map[string]string{
	"eq": "=", "neq": "<>", "lt": "<", "lte": "<=", "gt": ">", "gte": ">=", "in": "in",
}

// parseFilters reads col=op.value. The second result is the error's text as
// the server prints it. Lists of conditions are not supported.
func parseFilters(s string) ([]filter, string) {
	if s == "" {
		return nil, ""
	}
	column, rest, ok := strings.Cut(s, "=")
	if !ok {
		return nil, "Error parsing `filter` params: [" + quote(s) + "]"
	}
	f := filter{column: column}
	if r, cut := strings.CutPrefix(rest, "not."); cut {
		f.not, rest = true, r
	}
	op, value, ok := strings.Cut(rest, ".")
	if _, known := operators[op]; !ok || !known {
		return nil, "Error parsing `filter` params: [" + quote(op) + ", " + quote(value) + "]"
	}
	f.op, f.value = op, value
	if op == "in" {
		f.value = strings.TrimSuffix(strings.TrimPrefix(value, "("), ")")
	}
	return []filter{f}, ""
}

// sql is the condition for a value in Postgres's text form.
func (f filter) sql(value, typ string) string {
	left := sqlquote.Literal(value) + "::" + typ
	cond := ""
	if f.op == "in" {
		var items []string
		for _, v := range strings.Split(f.value, ",") {
			items = append(items, sqlquote.Literal(v)+"::"+typ)
		}
		cond = left + " in (" + strings.Join(items, ", ") + ")"
	} else {
		cond = left + " " + operators[f.op] + " " + sqlquote.Literal(f.value) + "::" + typ
	}
	if f.not {
		cond = "not (" + cond + ")"
	}
	return cond
}
