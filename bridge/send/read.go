package send

import (
	"context"
	"time"
)

// ReadRequest is a conversation that a user has read.
type ReadRequest struct {
	Workspace, User, Conversation string
	Session                       Session
}

// Reader marks conversations as read.
type Reader interface {
	// MarkRead returns a *Fault where it could not.
	MarkRead(ctx context.Context, r *ReadRequest) error
	// NeedsSession tells whether a request needs its sender's session.
	NeedsSession() bool
}

var errReadRefused = &Fault{CodeUnavailable, "messages cannot be marked as read while the chat server is down"}

// MarkRead marks a conversation of the workspace as read, and returns why not, or nil.
func (s *Sender) MarkRead(ctx context.Context, r *ReadRequest) *Fault {
	f := s.markRead(ctx, r)
	if f == nil {
		s.counters.read("done")
	} else {
		s.counters.read(f.Code)
	}
	return f
}

func (s *Sender) markRead(ctx context.Context, r *ReadRequest) *Fault {
	if s.opts.Read == nil {
		return errReadRefused
	}
	ctx, cancel := context.WithTimeout(ctx, s.opts.Timeout)
	defer cancel()
	s.mu.Lock()
	f := s.reads.take(user{r.Workspace, r.User}, time.Now())
	closed := s.closed
	s.mu.Unlock()
	if f != nil {
		return f
	}
	defer func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.reads.leave(user{r.Workspace, r.User})
	}()
	if closed {
		return errEnding
	}
	asking, done := context.WithTimeout(ctx, questionTimeout)
	has, err := s.opts.Conversations.Has(asking, r.Workspace, r.Conversation)
	done()
	switch {
	case err != nil:
		return errAsking
	case !has:
		return &Fault{CodeConversation, "the workspace has no conversation of that id"}
	}
	err = s.opts.Read.MarkRead(ctx, r)
	if f, ok := AsFault(err); ok {
		return f
	}
	if err != nil {
		if s.logs("read") {
			s.log.Warn("a conversation could not be marked as read; more of the same within a minute are only counted", "error", err)
		}
		return &Fault{CodeFailed, "the conversation could not be marked as read"}
	}
	return nil
}
