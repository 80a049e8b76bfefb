package lookup

import (
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"chatbridge/internal/sqlquote"
	"chatbridge/mapping/internal/plan"
)

// wanted is the condition of messages that make events, with an `and` before it; ""
// where all do. alias is what the table is called.
func (b builder) wanted(alias string) string {
	if b.where == nil {
		return ""
	}
	return " and " + b.condition(alias, b.where)
}

// condition writes a condition that is true or false, and never null.
func (b builder) condition(alias string, c plan.Condition) string {
	switch c := c.(type) {
	case *plan.Any:
		return b.joined(alias, " or ", c.Of)
	case *plan.All:
		return b.joined(alias, " and ", c.Of)
	case *plan.Not:
		return "not " + b.condition(alias, c.Of)
	case *plan.In:
		words := make([]string, len(c.Words))
		for i, w := range c.Words {
			words[i] = sqlquote.Literal(w)
		}
		in := "false"
		if len(words) > 0 {
			in = fmt.Sprintf("coalesce(%s in (%s), false)", b.text(alias, c.Of), strings.Join(words, ", "))
		}
		if c.Null {
			in += " or " + b.text(alias, c.Of) + " is null"
		}
		return "(" + in + ")"
	case *plan.Present:
		x, ok := c.Of.(*plan.Begins)
		if !ok {
			return "(" + b.text(alias, c.Of) + " is not null)"
		}
		begins := fmt.Sprintf("left(%s, %d) = %s", b.text(alias, x.Of), utf8.RuneCountInString(x.Prefix), sqlquote.Literal(x.Prefix))
		if x.Not {
			begins = b.text(alias, x.Of) + " <> '' and not " + begins
		}
		return "coalesce(" + begins + ", false)"
	}
	return "false"
}

func (b builder) joined(alias, with string, of []plan.Condition) string {
	parts := make([]string, len(of))
	for i, c := range of {
		parts[i] = b.condition(alias, c)
	}
	return "(" + strings.Join(parts, with) + ")"
}

// text is the text of a column of messages, or at a place inside one.
func (b builder) text(alias string, x plan.Expr) string {
	switch x := x.(type) {
	case *plan.Column:
		if name := b.quote(0, x.Ref.Slot); name != "" {
			return alias + "." + name + "::text"
		}
	case *plan.Path:
		if name := b.quote(0, x.Of.Of.Ref.Slot); name != "" {
			return b.inside(alias+"."+name, b.columns[0][b.tables[0].Columns[x.Of.Of.Ref.Slot].Name], x.Of.Path)
		}
	}
	return "null::text"
}

// inside is the text at a place inside a column that holds JSON, written as an index
// on it would be.
func (b builder) inside(column, kind string, path []string) string {
	if kind != "json" && kind != "jsonb" {
		column = "(" + column + "::jsonb)"
	}
	if slices.ContainsFunc(path, isPosition) {
		return fmt.Sprintf("(%s #>> %s::text[])", column, sqlquote.Literal(string(arrayText(path))))
	}
	for i, name := range path {
		arrow := "->"
		if i == len(path)-1 {
			arrow = "->>"
		}
		column += arrow + sqlquote.Literal(name)
	}
	return "(" + column + ")"
}

func isPosition(name string) bool { return name != "" && strings.Trim(name, "0123456789") == "" }
