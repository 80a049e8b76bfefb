package send

import (
	"context"
	"time"
)

// Message is what a Way sends.
type Message struct {
	// ID is the client's id, Workspace and User whose message it is.
	ID, Workspace, User            string
	Session                        Session
	Conversation, Content, ReplyTo string
	Created                        time.Time
}

// Way is how messages are sent. It is called from many goroutines.
type Way interface {
	// Send sends a message, once. It returns when the outcome is known, or ctx ends.
	Send(ctx context.Context, m *Message) Outcome
	// Taken tells whether a message's id is known to be another message's, as far as that
	// can be told before it is sent.
	Taken(ctx context.Context, m *Message) bool
	// NeedsSession tells whether a message needs its sender's session.
	NeedsSession() bool
	// Repeatable tells whether the same message may be given to Send again, because it
	// is then sent once all the same.
	Repeatable() bool
}

// Outcome is what became of a Message.
type Outcome struct {
	// Status is Pending, Sent or Failed; Fault is why, with Failed alone. Of one with
	// CodeUnknown it is not known whether it was sent.
	Status            string
	RowID, ExternalID string
	Fault             *Fault
	// Cause is what operators are told beside, without the text; nil for nothing.
	Cause error
	// NotBegun: nothing has left the bridge; the id may be used again.
	NotBegun bool
}

func failed(code, message string) Outcome {
	return Outcome{Status: Failed, Fault: &Fault{code, message}}
}

func notBegun(code, message string) Outcome {
	o := failed(code, message)
	o.NotBegun = true
	return o
}

// errUnknown says that nobody knows.
const errUnknown = "whether the message was sent is not known; look whether it arrived before you send it again"
