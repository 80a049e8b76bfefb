package history

import (
	"time"

	"chatbridge/source"
)

// Op is the kind of an Entry.
type Op uint8

// What a client does, and what happens to it.
const (
	// Connect: its session began; see Entry.Recovered.
	Connect Op = iota
	// Disconnect: its session's connection ended.
	Disconnect
	// Subscribe and Unsubscribe of a conversation. A second Subscribe to the same
	// one has no effect.
	Subscribe
	Unsubscribe
	// Receive: an event came.
	Receive
	// CaughtUp: the server said that all that is due so far was sent.
	CaughtUp
	// Load: it shows a message that no event brought: one of the database, as a
	// page does that is loaded, or one that it sends. Only Shown reads it.
	Load
)

var opNames = [...]string{"connect", "disconnect", "subscribe", "unsubscribe", "receive", "caught up", "load"}

// String returns the operation's name.
func (o Op) String() string { return opNames[o] }

// Entry is one line of a History.
type Entry struct {
	At time.Time
	Op Op

	// Recovered, of a Connect: the session before was restored from Offset on, the
	// position of the last event received in it.
	Recovered bool
	Offset    source.Position
	// Floor is, of a Connect and a Subscribe, the position of the newest event
	// of the workspace that the server's log no longer held. Zero: what was
	// committed within Bounds.Window was held.
	Floor source.Position

	// NoPast, of a Connect: the server sends nothing from before it, as ChatEngine
	// does.
	NoPast bool

	// Unanswered, of a Subscribe: its connection ended before the server answered anything
	// that the client sent after it. So it may never have come there, and a session that is
	// restored may lack it: then it is new where the client subscribes again.
	Unanswered bool

	// Conversation is that of Subscribe, Unsubscribe and Receive.
	Conversation string

	// What a Receive brought. Position is zero where the sender gave none;
	// Message and Status are as in Event; the Status of a Kind Message may be left out.
	// Of a Kind Conversation with a Position the Message does not count: it is looked up,
	// and may be newer.
	Kind      Kind
	Position  source.Position
	Workspace string // as the event says; empty where it does not
	Message   string
	Status    string
	As        As     // Kinds Message and MessageStatus, and a Load
	Gap       *Gap   // Kind GapEvent
	Raw       []byte // the event's bytes, searched for Truth.Marks; may be nil
}

// As is what a message was called, where that is more than one thing:
// Entry.Message is then the name by which the Truth knows it.
type As struct {
	// ID is `id` or `messageId`. An event that comes under several is one
	// arrival under each.
	ID string
	// Provider and Client are the ids in `metadata`, Status the status of a Kind
	// Message.
	Provider, Client, Status string
}

// History is one client's.
type History struct {
	Client, Workspace string
	Entries           []Entry
	// Stalled are the times in which it did not read.
	Stalled []Span
	// End is when the recording ended. Drained: nothing was left to come then,
	// so that everything committed is due to a client that is connected.
	End     time.Time
	Drained bool
}

// Bounds are what the server promises.
type Bounds struct {
	// Window is how far back a new session and a new subscription are caught up.
	Window time.Duration
	// Prompt is how long an event takes at most while the source flows and the
	// client reads. What was due for less than that before the connection
	// ended may be missing. It must be above zero.
	Prompt time.Duration
	// Grace is how long a client without subscriptions may wait for messages,
	// because it might yet subscribe.
	Grace time.Duration
	// CatchUp is how long catching up takes at most: meanwhile a newer
	// conversation or messageStatus event may take the place of an older one,
	// and one that is live may come from the log as well. An Entry CaughtUp ends
	// it sooner.
	CatchUp time.Duration
	// Repeats is how often more than catching up says an event may come in one
	// connection, for a server that may try several times; below zero: any
	// number of times, and then also older ones for a moment.
	Repeats int
	// Continuous: what a client that comes back could have seen since its last
	// connection began is due, also past the window, or a gap is reported to it.
	Continuous bool
	// Slack is how far a client's times may be off from the server's: the way
	// there, and the database's clock.
	Slack time.Duration
}
