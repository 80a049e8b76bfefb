package history

import (
	"fmt"
	"time"

	"chatbridge/source"
)

// Kind is an event's name, as Socket.IO carries it.
type Kind string

// The events that are judged, and the one that reports a gap to a client.
const (
	Message       Kind = "message"
	Conversation  Kind = "conversation"
	MessageStatus Kind = "messageStatus"
	GapEvent      Kind = "gap"
)

// Event is one event that the database's commits ask for.
type Event struct {
	Position                source.Position
	Kind                    Kind
	Workspace, Conversation string
	// Message is the message's id; for Kind Conversation that of its last
	// message, or whatever distinguishes one state of the conversation from the
	// next.
	Message string
	Status  string    // Kinds Message (as it was committed) and MessageStatus
	First   string    // Kind Message without Status: the one with which it was committed
	At      time.Time // of the commit
	// Optional: it may or may not come, such as the repetition of a state that
	// one server sends and another does not.
	Optional bool
	// Undone: the database was put back to a place before it, so it is Optional too.
	Undone bool
}

// Gap is an announced gap: what was committed from Since until Until, both
// included, may be missing.
type Gap struct {
	Since, Until time.Time
	// Conversation is the only one concerned; empty: all.
	Conversation string
	// Workspace and Client are the only ones concerned; empty: all. A gap
	// reported to a client concerns that one, whatever they say.
	Workspace, Client string
	// Reload asks the client to load everything anew: all that was committed
	// before the gap was reported is announced as missing.
	Reload bool
}

// covers reports whether ev may be missing by the gap, reported at the given
// time.
func (g *Gap) covers(ev *Event, reported time.Time) bool {
	if g.Conversation != "" && g.Conversation != ev.Conversation {
		return false
	}
	if g.Reload && !reported.IsZero() && !ev.At.After(reported) {
		return true
	}
	return !ev.At.Before(g.Since) && !ev.At.After(g.Until)
}

// Span is a time from From until To.
type Span struct{ From, To time.Time }

// Truth is what the database committed and what the server said about itself.
type Truth struct {
	// Events are in commit order. Positions may begin lower again where the
	// database's history began anew.
	Events []Event
	// ReadBack: the server may read rows back from the tables, and send what they say at
	// positions at which nothing was committed.
	ReadBack bool
	// Announced are the gaps that the server announced in its status, its
	// counters and its log. Nil: that was not recorded, and is not judged.
	Announced []Gap
	// Outages are the times in which the source did not flow, or no server was
	// there.
	Outages []Span
	// Marks are, by workspace, strings that occur in that workspace's events
	// and in no other's.
	Marks map[string][]string
	// Statuses are the messages' last ones, by Event.Message. Only Shown needs them.
	Statuses map[string]string
}

// String is for violations: one line.
func (ev *Event) String() string {
	what := fmt.Sprintf("%s %s", ev.Kind, ev.Message)
	if ev.Status != "" {
		what += " (" + ev.Status + ")"
	}
	return fmt.Sprintf("%s of %s/%s at %v, committed %s", what, ev.Workspace, ev.Conversation, ev.Position, clock(ev.At))
}

func clock(t time.Time) string { return t.Format("15:04:05.000") }
