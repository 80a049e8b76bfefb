package send

import (
	"context"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// Options configures a Sender.
type Options struct {
	// Way is how messages are sent; nil refuses them all.
	Way Way
	// File keeps which messages were begun, so that none is sent twice. Needed with a
	// Way.
	File string
	// Emit sends events to clients, for Requests that have no Emit of their own; nil sends
	// none. It is called from many goroutines and must not block.
	Emit func(Event)
	// Conversations tells which there are. Needed with a Way.
	Conversations Conversations
	// PerMinute is how many messages a user may send in a minute, also at once; 0 for no
	// limit. Timeout bounds one message on its way.
	PerMinute int
	Timeout   time.Duration
	// Fresh reports whether what was committed before a time has been observed; of texts that
	// are passed nothing is told before it has. Nil: always.
	Fresh func(since time.Time) bool
	// Claims are shared with other bridges; nil for none.
	Claims Claims
	// Read marks a conversation as read; nil refuses that.
	Read   Reader
	Logger *slog.Logger
}

// Conversations knows the conversations of workspaces. It is called from many goroutines.
type Conversations interface {
	// Has reports whether the workspace has the conversation. An error means that there
	// is no answer.
	Has(ctx context.Context, workspace, conversation string) (bool, error)
	// Payload returns the conversation's event as the contract has it; nil where that
	// cannot be had now.
	Payload(ctx context.Context, workspace, conversation string) []byte
}

// Claims makes sure that one bridge of a cluster sends a text. It is called from many
// goroutines.
type Claims interface {
	// Claim claims a text for a value, unless it is claimed, and returns what it is claimed
	// for: value where it is claimed now. An error means that there is no answer.
	Claim(ctx context.Context, workspace, id, value string, keep time.Duration) (string, error)
	// Release deletes a claim, if it is held for value.
	Release(ctx context.Context, workspace, id, value string) error
}

// Sender sends the texts of users. Run must run while it is used with a Way. Its methods
// are safe for concurrent use.
type Sender struct {
	opts      Options
	log       *slog.Logger
	counters  counters
	rows      knownRows
	unsettled unsettled
	name      string // its claims' values begin with it

	// sending is the context of all Sendings, which outlive their clients; stop cancels it.
	sending context.Context
	stop    context.CancelFunc
	running sync.WaitGroup // the goroutines of Sendings
	// following are the goroutines of Passeds, which Shutdown does not wait for.
	following sync.WaitGroup

	// mu guards all below. It is not held while events are emitted or questions are asked.
	mu         sync.Mutex
	closed     bool
	journal    *journal // nil until it is open
	journalErr string
	open       map[key]*Sending
	newest     map[lane]*Sending // of each conversation, while it is open
	rates      rates
	reads      rates
	watched    map[string]*watch    // by workspace
	passed     map[string][]*Passed // by the client's id
	passing    int                  // how many there are
	loggedAt   map[string]time.Time // by what failed

	// damaged is the file with which Open has failed, and damage why. Open alone uses them.
	damaged os.FileInfo
	damage  error

	// watching counts the messages in watched and passed: while it is 0, Observe returns at
	// once.
	watching atomic.Int64
}

// lane is a conversation, whose messages are sent one after the other.
type lane struct{ workspace, conversation string }

// sendingState is what becomes of a Sending.
type sendingState struct {
	// mu is held while a status is emitted, so that no newer one from the row is published in
	// between.
	mu     sync.Mutex
	row    rowState
	result Result
	fault  *Fault
}

// New returns a Sender. The zero Options refuse every message.
func New(opts Options) *Sender {
	if opts.Logger == nil {
		opts.Logger = slog.New(slog.DiscardHandler)
	}
	s := &Sender{
		opts: opts, log: opts.Logger, name: newUUID(), rates: newRates(opts.PerMinute), reads: newRates(readsEach * opts.PerMinute), journalErr: "starting",
		open: make(map[key]*Sending), newest: make(map[lane]*Sending), watched: make(map[string]*watch), passed: make(map[string][]*Passed), loggedAt: make(map[string]time.Time),
	}
	s.sending, s.stop = context.WithCancel(context.Background())
	return s
}

// NeedsSession tells whether Requests need a Session.
func (s *Sender) NeedsSession() bool {
	return s.opts.Way != nil && s.opts.Way.NeedsSession() || s.opts.Read != nil && s.opts.Read.NeedsSession()
}
