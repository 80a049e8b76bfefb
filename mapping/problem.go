package mapping

import (
	"fmt"
	"slices"
	"strings"
)

// Problem is one thing in a mapping that does not fit.
type Problem struct {
	// File and Line say where the mapping says it. File is `preset crm` or
	// `preset chatengine` for a preset.
	File string
	Line int
	// Text is one sentence: what is wrong, and the nearest thing that would be
	// right.
	Text string
	// Table is the schema and name of a table that is not there, where that is the problem.
	Table string
}

// String returns file:line: text.
func (p Problem) String() string { return fmt.Sprintf("%s:%d: %s", p.File, p.Line, p.Text) }

// Error is what is wrong with a mapping, everything at once.
type Error struct{ Problems []Problem }

// newError returns the problems as an error, in the order of their lines.
func newError(problems []Problem) *Error {
	slices.SortStableFunc(problems, func(a, b Problem) int { return a.Line - b.Line })
	return &Error{Problems: problems}
}

// Error returns one problem a line.
func (e *Error) Error() string {
	lines := make([]string, len(e.Problems))
	for i, p := range e.Problems {
		lines[i] = p.String()
	}
	return strings.Join(lines, "\n")
}
