package send

import (
	"context"
	"strings"
	"time"
)

// claimTimeout bounds one claim at Redis.
const claimTimeout = 500 * time.Millisecond

// claim reports whether this bridge may send a message, and the outcome if not, because another
// bridge of the cluster has claimed it. If Redis does not answer, the message is sent.
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

// release deletes the claim of a message of which nothing was sent.
func (s *Sender) release(x *Sending) {
	if s.opts.Claims == nil || s.opts.Way.Repeatable() {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(s.sending), claimTimeout)
	defer cancel()
	// A claim that could not be deleted is this Sender's own, and a repeated request passes it.
	_ = s.opts.Claims.Release(ctx, x.request.Workspace, x.request.ID, s.claimValue(x))
}

// claimValue is the value of a claim: the Sender's name, a space, and owner.
func (s *Sender) claimValue(x *Sending) string { return s.name + " " + x.owner() }

// owner identifies the user and the text that an id is used for.
func (x *Sending) owner() string { return digest(x.request.User + "\x00" + x.fingerprint) }
