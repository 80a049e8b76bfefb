package send

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
	"time"
)

func newSending(r Request) *Sending {
	if r.ID == "" {
		r.ID = newID()
	}
	return &Sending{request: r, created: time.Now(), fingerprint: fingerprint(&r), announced: make(chan struct{}), done: make(chan struct{}), passed: make(chan struct{}), rowChanged: make(chan struct{}, 1)}
}

// fingerprint identifies the text of a request.
func fingerprint(r *Request) string {
	h := sha256.New()
	for _, part := range []string{foldUUID(r.Conversation), foldUUID(r.ReplyTo), r.Content} {
		fmt.Fprintf(h, "%d:%s", len(part), part)
	}
	return hex.EncodeToString(h.Sum(nil)[:16])
}

// digest is a short hash of a text without the space around it.
func digest(text string) string {
	h := sha256.Sum256([]byte(strings.TrimSpace(text)))
	return hex.EncodeToString(h[:16])
}

func (x *Sending) key() key   { return key{x.request.Workspace, x.request.User, x.request.ID} }
func (x *Sending) user() user { return user{x.request.Workspace, x.request.User} }
func (x *Sending) lane() lane { return lane{x.request.Workspace, foldUUID(x.request.Conversation)} }

func (x *Sending) message() *Message {
	r := &x.request
	return &Message{
		ID: r.ID, Workspace: r.Workspace, User: r.User, Session: r.Session,
		Conversation: r.Conversation, Content: r.Content, ReplyTo: r.ReplyTo, Created: x.created,
	}
}

func (x *Sending) record() *record {
	r := &x.request
	return &record{
		State: stateBegun, Workspace: r.Workspace, User: r.User, ID: r.ID, Conversation: r.Conversation,
		Print: x.fingerprint, Created: x.created,
	}
}

// admitNext lets the next message of the conversation be announced.
func (x *Sending) admitNext() {
	select {
	case <-x.announced:
	default:
		close(x.announced)
	}
}

// end sets the result, which is there once done is closed; state.mu must be held.
func (x *Sending) end(r Result, f *Fault) { x.state.result, x.state.fault = x.result(r), f }

func (x *Sending) result(r Result) Result {
	if r.ID = x.request.ID; r.CreatedAt.IsZero() {
		r.CreatedAt = x.created
	}
	return r
}

// newID returns an id of the form that the CRM uses for its messages, which the mapping
// distinguishes from WhatsApp's.
func newID() string { return clientIDPrefix + newUUID() }

const clientIDPrefix = "opt_"

// shared reports whether events under a client's id go to the whole workspace. An id of another
// form may be a row's, or WhatsApp's, so until there is a row only the sender gets its events.
func shared(id string) bool { return strings.HasPrefix(id, clientIDPrefix) }

// newUUID returns a random UUID (RFC 9562, version 4).
func newUUID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}
