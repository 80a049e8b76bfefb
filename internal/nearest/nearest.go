// Package nearest finds the known name nearest to an unknown one, for messages
// about misspelled names. It is pure and imports nothing of ours.
package nearest

import (
	"fmt"
	"strings"
)

// Of returns the word with the smallest edit distance to s, ignoring case; of
// equals the first, and "" where none is within a third of the length of s (or
// within two, for a short s).
func Of(s string, words []string) string {
	s = strings.ToLower(s)
	best, bestAt := "", max(2, len(s)/3)+1
	for _, word := range words {
		if d := distance(s, strings.ToLower(word)); d < bestAt {
			best, bestAt = word, d
		}
	}
	return best
}

// distance is the Damerau-Levenshtein distance (optimal string alignment): the
// number of bytes to insert, delete, change or swap with the next.
func distance(a, b string) int {
	before, last := make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row := make([]int, len(b)+1)
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			row[j] = min(last[j]+1, row[j-1]+1, last[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, last = last, row
	}
	return last[len(b)]
}

// Hint ends a message about a word that is not accepted: the nearest of the
// accepted ones if one is near, and the list if it is short.
func Hint(word string, of []string) string {
	near := Of(word, of)
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
