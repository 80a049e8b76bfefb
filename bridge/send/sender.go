package send

import (
	"context"
	"crypto/rand"
	"fmt"
	"sync"
	"time"
)

// Options configures a Sender.
type Options struct {
	// Tell tells clients of what is sent, but for Requests that have a Tell of their own;
	// nil tells nobody. It is called from many goroutines, and must not wait.
	Tell func(Event)
}

// Sender sends the texts of users. Its methods are safe for concurrent use.
type Sender struct {
	opts Options
}

// sendingState is what becomes of a Sending.
type sendingState struct {
	mu     sync.Mutex
	result Result
	fault  *Fault
}

// New returns a Sender. The zero Options refuse every message.
func New(opts Options) *Sender { return &Sender{opts: opts} }

// errRefused is the answer where nothing is sent.
var errRefused = &Fault{CodeUnavailable, "messages cannot be sent while the chat server is down"}

// Send takes a request and waits for its result. An error is a *Fault, and
// Result.Status is Failed then; or ctx's, and the message is on its way all the same.
func (s *Sender) Send(ctx context.Context, r Request) (Result, error) {
	return s.Accept(r).Wait(ctx)
}

// Accept takes a request without waiting for its result. The messages of one
// conversation are sent in the order in which they were accepted.
func (s *Sender) Accept(r Request) *Sending {
	if r.ID == "" {
		r.ID = newID()
	}
	x := &Sending{request: r, created: time.Now(), told: make(chan struct{}), done: make(chan struct{})}
	s.refuse(x, errRefused)
	return x
}

// refuse ends a sending of which the workspace has not been told: the text stands on
// its sender's screen, as failed, to be sent again.
func (s *Sender) refuse(x *Sending, f *Fault) {
	s.tellPending(x, true)
	s.tellFault(x, f)
	s.tellStatus(x, true, Failed)
	x.end(Result{Status: Failed}, f)
}

func (x *Sending) end(r Result, f *Fault) {
	x.state.mu.Lock()
	defer x.state.mu.Unlock()
	r.ID, r.CreatedAt = x.request.ID, x.created
	x.state.result, x.state.fault = r, f
	close(x.done)
}

// newID is an id such as the CRM gives the messages that it sends, by which the mapping
// tells it from WhatsApp's.
func newID() string { return "opt_" + newUUID() }

// newUUID returns a random UUID (RFC 9562, version 4).
func newUUID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}
