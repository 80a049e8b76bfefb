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
	// ID is the Entry's as long as it is shown.
	ID uint64 `json:"id"`
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
	// alone: it stands for itself, whatever was told in the same words.
	alone bool
}

// timeline are the newest entries.
type timeline struct {
	// past are the entries that are over, in the order of their last occurrence.
	past []Entry
	// state is what the source is in, whose words may change until it is over; nil for none.
	state *Entry
	ids   uint64
}

// note adds what happened at a time.
func (t *timeline) note(at time.Time, e Entry) {
	t.ids++
	e.ID, e.At, e.First, e.Count = t.ids, at, at, 1
	t.past = with(t.past, e)
}

// enter adds the state that the source came into at a time.
func (t *timeline) enter(at time.Time, e Entry) {
	if t.state != nil {
		t.past = with(t.past, *t.state)
	}
	t.ids++
	e.ID, e.At, e.First, e.Count = t.ids, at, at, 1
	t.state = &e
}

// amend changes the entry of the source's present state.
func (t *timeline) amend(e Entry) {
	if t.state != nil {
		e.ID, e.At, e.First, e.Count = t.state.ID, t.state.At, t.state.First, t.state.Count
		*t.state = e
	}
}

// entries are all, oldest first.
func (t *timeline) entries() []Entry {
	all := slices.Clone(t.past)
	if t.state != nil {
		all = with(all, *t.state)
	}
	slices.SortStableFunc(all, func(a, b Entry) int { return a.At.Compare(b.At) })
	return all
}

// with adds an Entry, and counts in it those in the same words.
func with(all []Entry, e Entry) []Entry {
	same := func(o Entry) bool {
		return !o.alone && !e.alone && o.Part == e.Part && o.Level == e.Level && likeness(o.Title) == likeness(e.Title) && likeness(o.Reason) == likeness(e.Reason)
	}
	if i := slices.IndexFunc(all, same); i >= 0 {
		e.First, e.Count = all[i].First, all[i].Count+e.Count
		all = slices.Delete(all, i, i+1)
	}
	if len(all) == maxEntries {
		all = slices.Delete(all, 0, 1)
	}
	return append(all, e)
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
