package history

import (
	"bytes"
	"maps"
	"slices"
)

// isolated: nothing of another workspace, in any byte.
func isolated(c *examined) []Violation {
	var all []Violation
	for _, a := range c.arrivals {
		e := &c.h.Entries[a.entry]
		owner := c.owner[e.Conversation]
		switch {
		case e.Workspace != "" && e.Workspace != c.h.Workspace:
			all = append(all, c.violation("Isolated", a.entry, a.event, "%s %s says that it is of %s", e.Kind, e.Message, e.Workspace))
		case owner != "" && owner != c.h.Workspace:
			all = append(all, c.violation("Isolated", a.entry, a.event, "%s %s is of conversation %s of %s", e.Kind, e.Message, e.Conversation, owner))
		case a.event >= 0 && c.truth.Events[a.event].Workspace != c.h.Workspace:
			all = append(all, c.violation("Isolated", a.entry, a.event, "%v came to a client of %s", &c.truth.Events[a.event], c.h.Workspace))
		}
	}
	for i := range c.h.Entries {
		if mark, workspace := c.foreign(c.h.Entries[i].Raw); mark != "" {
			all = append(all, c.violation("Isolated", i, -1, "its bytes hold %q, which is of %s", mark, workspace))
		}
	}
	return all
}

// foreign is a mark of another workspace in raw, and whose it is.
func (c *examined) foreign(raw []byte) (mark, workspace string) {
	if len(raw) == 0 {
		return "", ""
	}
	for _, workspace := range slices.Sorted(maps.Keys(c.truth.Marks)) {
		if workspace == c.h.Workspace {
			continue
		}
		for _, mark := range c.truth.Marks[workspace] {
			if bytes.Contains(raw, []byte(mark)) {
				return mark, workspace
			}
		}
	}
	return "", ""
}
