package console

import (
	"slices"
	"strings"
	"time"
)

// maxEntries bounds the time line.
const maxEntries = 200

// Entry is something that happened. What happens again in the same words, numbers aside,
// is one Entry with a count.
type Entry struct {
	// At is when it happened last, First when first, Count how often.
	At    time.Time `json:"at"`
	First time.Time `json:"first"`
	Count int       `json:"count"`
	Level Level     `json:"level"`
	Part  string    `json:"part"`
	// Title is what happened, Reason why, Do what to do about it.
	Title   string `json:"title"`
	Reason  string `json:"reason,omitempty"`
	Do      string `json:"do,omitempty"`
	Runbook string `json:"runbook,omitempty"`
}

// timeline are the newest entries, in the order in which each was last told.
type timeline []Entry

// note adds what happened at a time.
func (t *timeline) note(at time.Time, e Entry) {
	e.At, e.First, e.Count = at, at, 1
	same := func(o Entry) bool {
		return o.Part == e.Part && o.Level == e.Level && likeness(o.Title) == likeness(e.Title) && likeness(o.Reason) == likeness(e.Reason)
	}
	if i := slices.IndexFunc(*t, same); i >= 0 {
		e.First, e.Count = (*t)[i].First, (*t)[i].Count+1
		*t = slices.Delete(*t, i, i+1)
	}
	if len(*t) == maxEntries {
		*t = slices.Delete(*t, 0, 1)
	}
	*t = append(*t, e)
}

// likeness is a text without its numbers: ports, durations and counts of what is the same.
func likeness(s string) string {
	return strings.Map(func(r rune) rune {
		if r >= '0' && r <= '9' {
			return -1
		}
		return r
	}, s)
}
