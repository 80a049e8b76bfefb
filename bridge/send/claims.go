package send

import (
	"context"
	"strings"
	"time"
)

// claimTimeout bounds the question whether another bridge sends a text.
const claimTimeout = 500 * time.Millisecond

// claim reports whether the Way is to be given a message, and what became of it otherwise: a
// bridge of the same cluster may have been given it before. Without an answer it is sent.
func (s *Sender) claim(ctx context.Context, x *Sending) (Outcome, bool) {
	if s.opts.Claims == nil || s.opts.Way.Repeatable() {
		return Outcome{}, true
	}
	ctx, cancel := context.WithTimeout(ctx, claimTimeout)
	defer cancel()
	value := s.claimValue(x)
	has, err := s.opts.Claims.Claim(ctx, x.request.Workspace, x.request.ID, value, KeepFor)
	_, owner, _ := strings.Cut(has, " ")
	switch {
	case err != nil:
		if s.logs("claim") {
			s.log.Warn("messages are sent without asking whether another bridge of the cluster has sent them; more of the same within a minute are not logged", "error", err)
		}
	case has == value:
	case owner != x.owner():
		return Outcome{Status: Failed, Fault: errReused, NotBegun: true}, false
	default:
		return failed(CodeUnknown, "another bridge was given the message, and nobody has said yet that it was sent; look whether it arrived before you send it again"), false
	}
	return Outcome{}, true
}

// release takes the claim of a message back of which nothing was sent.
func (s *Sender) release(x *Sending) {
	if s.opts.Claims == nil || s.opts.Way.Repeatable() {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(s.sending), claimTimeout)
	defer cancel()
	// One that stays is this Sender's, which takes it again.
	_ = s.opts.Claims.Release(ctx, x.request.Workspace, x.request.ID, s.claimValue(x))
}

// claimValue is what a Sender claims a message for: its own name, a space, and owner.
func (s *Sender) claimValue(x *Sending) string { return s.name + " " + x.owner() }

// owner tells a user's text under an id from another's.
func (x *Sending) owner() string { return digest(x.request.User + "\x00" + x.fingerprint) }
