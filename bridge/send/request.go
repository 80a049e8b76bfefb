package send

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"chatbridge/mapping/contract"
)

// Request is a text that a user sends to a conversation.
type Request struct {
	// Workspace and User are the sender's, from its token: they are believed.
	Workspace, User string
	// Session is the token with which the sender was let in, where it is a Supabase
	// session; else zero.
	Session Session
	// ID is the client's id of the message. Within KeepFor the same user's request with
	// the same id and text is the same request: it has the same result and is not sent
	// again; another user's, or another text, is refused. Of one that does not begin opt_
	// the sender alone is told. Empty: one is made.
	ID                             string
	Conversation, Content, ReplyTo string
	// Emit receives the events of this request instead of Options.Emit; nil for Options.Emit.
	// It is called from one goroutine at a time, and must not block.
	Emit func(Event)
}

// Session is a Supabase session token and when it ends. It is never printed.
type Session struct {
	Token   string
	Expires time.Time
}

// String hides the token.
func (Session) String() string { return "[session]" }

// GoString hides the token.
func (Session) GoString() string { return "[session]" }

// Format hides the token from every verb.
func (Session) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte("[session]")) }

// LogValue hides the token.
func (Session) LogValue() slog.Value { return slog.StringValue("[session]") }

// MarshalText hides the token.
func (Session) MarshalText() ([]byte, error) { return []byte("[session]"), nil }

// The statuses of a Result, in the contract's words.
const (
	// Pending: it is stored, and somebody else sends it.
	Pending = "pending"
	Sent    = "sent"
	Failed  = "failed"
)

// Result is what became of a Request.
type Result struct {
	// ID is the client's id of the message.
	ID     string
	Status string
	// RowID and ExternalID are the keys of the message's row and at WhatsApp, where they
	// are known.
	RowID, ExternalID string
	CreatedAt         time.Time
}

// Fault is why a message has failed: a stable code, and a sentence for the user.
type Fault struct {
	Code    string `json:"code"`
	Message string `json:"message"`
}

// Error implements error.
func (f *Fault) Error() string { return f.Message }

// The codes of Faults. After all but CodeFailed, CodeUnknown and CodeReused nothing was
// begun, and the same id may be tried again. So may it after CodeFailed where the outbox's
// database has refused it.
const (
	// CodeUnavailable: nothing can be sent now.
	CodeUnavailable = "unavailable"
	// CodeBadRequest: the request lacks something, is too large, or has a value that the
	// outbox's tables do not take.
	CodeBadRequest = "bad_request"
	// CodeConversation: the workspace has no such conversation.
	CodeConversation = "unknown_conversation"
	// CodeRate: the user sends too much.
	CodeRate = "send_rate"
	// CodeSession: the sender's token is no Supabase session.
	CodeSession = "session_needed"
	// CodeExpired: the session has expired.
	CodeExpired = "token_expired"
	// CodeFailed: who sends messages has refused this one.
	CodeFailed = "not_sent"
	// CodeUnknown: it may have been sent.
	CodeUnknown = "outcome_unknown"
	// CodeReused: the id belongs to another text.
	CodeReused = "id_reused"
)

// AsFault returns the Fault that an error of Send is.
func AsFault(err error) (*Fault, bool) {
	var f *Fault
	return f, errors.As(err, &f)
}

// Event is what clients are told of a Request.
type Event struct {
	Name    string
	Payload json.RawMessage
	// Workspace is whose clients are told; of a message (Name message), those that see
	// Conversation.
	Workspace, Conversation string
	// Own: for the sender's own socket alone.
	Own bool
}

// Sending is a Request on its way. Its methods are safe for concurrent use.
type Sending struct {
	request     Request
	created     time.Time
	fingerprint string // of the text, see fingerprint
	// before is the one before it in its conversation; nil for none.
	before *Sending

	announced chan struct{} // closed when the workspace has been sent its event
	done      chan struct{} // closed when result and fault are there
	// passed is closed when it and all before it in its conversation are done.
	passed chan struct{}

	state      sendingState
	rowChanged chan struct{} // has a token when the stream has delivered a newer state of its row

	// noting is held while the journal is written. noted: the result is in the journal; row:
	// the row's state that is.
	noting sync.Mutex
	noted  bool
	row    rowState
}

// Done is closed when there is a result.
func (x *Sending) Done() <-chan struct{} { return x.done }

// Wait waits for the result. An error is a *Fault, after which Result.Status is Failed, or
// ctx's; the message is on its way all the same then.
func (x *Sending) Wait(ctx context.Context) (Result, error) {
	select {
	case <-x.done:
	case <-ctx.Done():
		return Result{ID: x.request.ID, Status: Pending, CreatedAt: x.created}, ctx.Err()
	}
	return x.outcome()
}

func (x *Sending) outcome() (Result, error) {
	if x.state.fault != nil {
		return x.state.result, x.state.fault
	}
	return x.state.result, nil
}

// Time formats a time as the contract does.
func Time(t time.Time) contract.Timestamp {
	return contract.Timestamp(t.UTC().Format("2006-01-02T15:04:05.000Z"))
}
