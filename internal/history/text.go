package history

import (
	"fmt"
	"strings"
)

// String is one readable line, without the time.
func (e *Entry) String() string {
	switch {
	case e.Op == Connect && e.Recovered:
		return fmt.Sprintf("connect, recovered from %v", e.Offset)
	case e.Op == Subscribe, e.Op == Unsubscribe:
		return fmt.Sprintf("%v %s", e.Op, e.Conversation)
	case e.Op != Receive:
		return e.Op.String()
	case e.Gap != nil:
		return fmt.Sprintf("receive gap from %s until %s, conversation %q, reload %v",
			clock(e.Gap.Since), clock(e.Gap.Until), e.Gap.Conversation, e.Gap.Reload)
	}
	what := fmt.Sprintf("receive %s of %s: %s", e.Kind, e.Conversation, e.Message)
	if e.Status != "" {
		what += " (" + e.Status + ")"
	}
	if !e.Position.IsZero() {
		what += " at " + e.Position.String()
	}
	return what
}

// String returns all entries, a line for each with its number and time.
func (h *History) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s of %s, until %s\n", h.Client, h.Workspace, clock(h.End))
	for i := range h.Entries {
		fmt.Fprintf(&b, "%5d %s %v\n", i, clock(h.Entries[i].At), &h.Entries[i])
	}
	return b.String()
}
