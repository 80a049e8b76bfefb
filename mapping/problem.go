package mapping

import (
	"fmt"
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
}

// String returns file:line: text.
func (p Problem) String() string { return fmt.Sprintf("%s:%d: %s", p.File, p.Line, p.Text) }

// Error is what is wrong with a mapping, everything at once.
type Error struct{ Problems []Problem }

// Error returns one problem a line.
func (e *Error) Error() string {
	lines := make([]string, len(e.Problems))
	for i, p := range e.Problems {
		lines[i] = p.String()
	}
	return strings.Join(lines, "\n")
}

// accepted ends a problem's text: the nearest of the accepted words if one is
// near, and the list if it is short.
func accepted(word string, of []string) string {
	near := nearest(word, of)
	switch {
	case near != "":
		return fmt.Sprintf("did you mean %q?", near)
	case len(of) == 0:
		return "nothing is accepted here"
	case len(of) > 30:
		return fmt.Sprintf("none of the %d there is like it", len(of))
	}
	return "there are " + strings.Join(of, ", ")
}

// nearest returns the word of the list that takes the fewest changes to get
// to, "" when none is near: at most a third of the letters, and at least two.
func nearest(word string, of []string) string {
	best, bestAt := "", max(2, len(word)/3)+1
	for _, o := range of {
		if d := distance(strings.ToLower(word), strings.ToLower(o)); d < bestAt {
			best, bestAt = o, d
		}
	}
	return best
}

// distance is the number of letters to insert, delete, replace or swap with
// their neighbour.
func distance(a, b string) int {
	two, one := make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range one {
		one[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row := make([]int, len(b)+1)
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			row[j] = min(one[j]+1, row[j-1]+1, one[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], two[j-2]+1)
			}
		}
		two, one = one, row
	}
	return one[len(b)]
}
