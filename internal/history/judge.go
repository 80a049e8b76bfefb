package history

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"chatbridge/source"
)

// Violation is one thing that a history must not have.
type Violation struct {
	Validator, Client string
	Entry             int // where in History.Entries, -1 where nowhere
	Event             int // which of Truth.Events, -1 where none
	Text              string
}

// String is one readable line.
func (v Violation) String() string {
	where := ""
	if v.Entry >= 0 {
		where = fmt.Sprintf(", entry %d", v.Entry)
	}
	return fmt.Sprintf("%s: %s%s: %s", v.Validator, v.Client, where, v.Text)
}

// Validator is one guarantee and its test.
type Validator struct {
	Name, Says string
	check      func(c *examined) []Violation
}

// Validators returns all of them, those whose violations explain most first.
func Validators() []Validator {
	return []Validator{
		{"Isolated", "nothing of another workspace, in any byte", isolated},
		{"Reliable", "every event that the client could see is there, or a gap was announced", reliable},
		{"Honest", "what is not there was announced by the server and to the client, before the client got a CaughtUp", honest},
		{"Resumable", "a restored session gets exactly what came after its offset", resumable},
		{"Ordered", "messages arrive first in commit order, a status never goes back, the last one seen is the newest", ordered},
		{"Bounded", "only what was committed and could be seen, repeated only where catching up says so", bounded},
		{"Prompt", "no event takes longer than the stated bound", prompt},
	}
}

// Judge judges histories by one Truth.
type Judge struct {
	truth  *Truth
	bounds Bounds
	// found are the places in Truth.Events by the content of an event.
	found map[key][]int
	// at are the places by position; several where positions began anew.
	at map[source.Position][]int
	// commits are those of all positions; only where rows are read back.
	commits map[uint64]bool
	// mine are each workspace's events, owner each conversation's workspace.
	mine  map[string][]int
	owner map[string]string
}

// key is the content of an event; position is zero where it came without one.
type key struct {
	kind                          Kind
	conversation, message, status string
	position                      source.Position
}

func (ev *Event) key() key {
	return key{ev.Kind, ev.Conversation, ev.Message, ev.Status, ev.Position}
}

// NewJudge returns a Judge by truth, which must not change afterwards.
func NewJudge(truth *Truth, bounds Bounds) *Judge {
	j := &Judge{
		truth: truth, bounds: bounds,
		found: make(map[key][]int), at: make(map[source.Position][]int), commits: make(map[uint64]bool),
		mine: make(map[string][]int), owner: make(map[string]string),
	}
	for i := range truth.Events {
		ev := &truth.Events[i]
		k := ev.key()
		if truth.ReadBack {
			j.commits[ev.Position.Commit] = true
		}
		j.found[k] = append(j.found[k], i)
		if !ev.Position.IsZero() {
			k.position = source.Position{}
			j.found[k] = append(j.found[k], i)
			j.at[ev.Position] = append(j.at[ev.Position], i)
		}
		j.mine[ev.Workspace] = append(j.mine[ev.Workspace], i)
		if owner, ok := j.owner[ev.Conversation]; ok && owner != ev.Workspace {
			j.owner[ev.Conversation] = "" // both have one of that id
		} else {
			j.owner[ev.Conversation] = ev.Workspace
		}
	}
	return j
}

// All is what every validator finds in h.
func (j *Judge) All(h *History) []Violation {
	c := j.examine(h)
	var all []Violation
	for _, v := range Validators() {
		all = append(all, v.find(c)...)
	}
	return all
}

// One is what the validator of that name finds in h. It panics on a name that
// is none.
func (j *Judge) One(name string, h *History) []Violation {
	i := slices.IndexFunc(Validators(), func(v Validator) bool { return v.Name == name })
	if i < 0 {
		panic("no validator is called " + name)
	}
	return Validators()[i].find(j.examine(h))
}

// find is what check finds, in the history's order.
func (v Validator) find(c *examined) []Violation {
	found := v.check(c)
	slices.SortStableFunc(found, func(a, b Violation) int {
		return cmp.Or(cmp.Compare(a.Entry, b.Entry), cmp.Compare(a.Event, b.Event))
	})
	return found
}

// Report is the first limit violations, a line each, and how many more there
// are. Empty where there are none.
func Report(violations []Violation, limit int) string {
	var b strings.Builder
	for i, v := range violations {
		if i == limit {
			fmt.Fprintf(&b, "and %d more\n", len(violations)-limit)
			break
		}
		b.WriteString(v.String() + "\n")
	}
	return b.String()
}

// violation is a Violation of one history.
func (c *examined) violation(name string, entry, event int, format string, args ...any) Violation {
	return Violation{name, c.h.Client, entry, event, fmt.Sprintf(format, args...)}
}
