package hub

import (
	"slices"
	"time"

	"chatbridge/source"
)

// extent is a set of messages that a client is owed: those of one conversation,
// or all. At first they are the client's backlog, read from the log up to the
// place of its main feed. There the extent joins the main feed, which brings the
// later ones.
type extent struct {
	conversation string // "" is all
	// from is the sequence number where it begins, next the one from which to read on.
	from, next uint64
	// noted is the sequence number up to which evictions have been reported to the
	// client as gaps.
	noted uint64
	// promised is the time from which on the client is owed these messages.
	promised time.Time
	joined   bool
	// statesOnly: what is left to read after the client unsubscribed: no messages, only
	// the statuses and states of what it was sent before. It joins nothing.
	statesOnly bool
	// since is Hub.proof when it joined: an offset past it proves that the client
	// received all of the extent up to there.
	since source.Position
}

// hadBy tells that a client which received an event with that Offset has
// received all of the extent up to where it joined.
func (e *extent) hadBy(o Offset) bool {
	return e.joined && o.Position.Compare(e.since) > 0
}

// restored returns what a restored client is owed of an extent of its prior's: all
// of it, unless the claim proves that the client received it.
func (c *Client) restored(e *extent) *extent {
	r := *e
	if c.claim.Position.IsZero() {
		r.from, r.promised, r.joined = c.start, c.promised, false
	}
	r.joined = r.hadBy(c.claim)
	if !r.joined {
		r.next = r.from
	}
	return &r
}

// joinOrRead adds the client to a room if the extent has joined the main feed, and else
// appends the extent to the client's backlog.
func (c *Client) joinOrRead(e *extent, room string) {
	if e.joined {
		_ = c.socket.Join(room)
	} else {
		c.backlog = append(c.backlog, e)
	}
}

// drop takes an extent out of the backlog. Where part of it has been sent, the
// statuses of those messages are still read.
func (c *Client) drop(e *extent) {
	i := slices.Index(c.backlog, e)
	if i < 0 {
		return
	}
	c.backlog = slices.Delete(c.backlog, i, i+1)
	same := func(o *extent) bool { return o.statesOnly && o.conversation == e.conversation }
	if e.next == e.from || slices.ContainsFunc(c.backlog, same) {
		return
	}
	rest := *e
	rest.statesOnly = true
	c.backlog = append(c.backlog, &rest)
}
