package mapping

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"chatbridge/mapping/internal/plan"
)

// wordCondition is a condition that compares a column's text with words.
type wordCondition struct {
	ref  plan.Ref
	at   place
	cond *plan.In
}

var uuidText = regexp.MustCompile(`^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`)

// CheckConditions returns the conditions of the Spec with words that their columns never
// are, as Postgres writes the columns' types: one without any other word never holds.
// typeOf is as for CheckTypes.
func (s *Spec) CheckConditions(typeOf func(schema, table, column string) string) []Problem {
	var problems []Problem
	for _, c := range s.conditions {
		t := &s.tables[c.ref.Table]
		column := t.Schema + "." + t.Name + "." + t.Columns[c.ref.Slot].Name
		kind := typeOf(t.Schema, t.Name, t.Columns[c.ref.Slot].Name)
		writes, how := written(kind)
		var never []string
		for _, w := range c.cond.Words {
			if !writes(w) {
				never = append(never, strconv.Quote(w))
			}
		}
		text := fmt.Sprintf("%s is %s, and is never %s: it is written %s", column, kind, strings.Join(never, " or "), how)
		switch holds := c.cond.Null || len(never) < len(c.cond.Words); {
		case !holds && len(never) == 0:
			text = "`in:` of " + column + " lists nothing: the condition never holds"
		case !holds:
			text += "; the condition never holds"
		case len(never) == 0:
			continue
		}
		problems = append(problems, Problem{File: c.at.file, Line: c.at.line, Text: text})
	}
	return problems
}

// written tells which texts values of a type have, and how they are described.
func written(kind string) (may func(string) bool, how string) {
	switch {
	case kind == "boolean" || kind == "bool":
		return func(w string) bool { return w == "t" || w == "f" || w == "true" || w == "false" }, "true or false, without quotes"
	case kind == "uuid":
		return uuidText.MatchString, "in lower case with four hyphens"
	case isNumberType(kind):
		return func(w string) bool {
			_, err := strconv.ParseFloat(w, 64)
			return err == nil
		}, "in digits"
	}
	return func(string) bool { return true }, ""
}
