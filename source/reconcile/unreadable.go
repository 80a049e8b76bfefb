package reconcile

import (
	"context"
	"slices"
	"strings"
	"time"

	"chatbridge/source"
)

// unreadable is a row that differs from what was published and could not be read,
// not even alone, while the server answered other questions.
type unreadable struct {
	s Sketch
	// until is when it is tried again, in the clock's time.
	until time.Duration
}

// skip passes over a row that could not be read and reports it, once for each state of
// it: in the log, by its key, and to the handler, as lost to those whose it is.
func (c *Comparison) skip(ctx context.Context, one Candidate, cause error) error {
	t, s := one.Table, &one.Sketch
	known, again := c.unreadable[t][s.ID()]
	if c.unreadable[t] == nil {
		c.unreadable[t] = map[string]unreadable{}
	}
	c.unreadable[t][s.ID()] = unreadable{*s, c.o.Clock.Elapsed() + c.o.RetryUnreadable}
	if again && !one.Force && known.s.Equal(s) {
		return nil
	}
	t.Unreadable.Add(1)
	key := strings.Join(s.Key, ", ")
	c.o.Logger.Error("a row cannot be read back and is left out; it is tried again later",
		"table", t.Name, "key", key, "error", cause, "next_try_in", c.o.RetryUnreadable)
	at := c.o.Clock.Now()
	if s.At != 0 {
		at = time.UnixMicro(s.At).UTC()
	}
	return c.o.Gap(ctx, source.Gap{
		Reason: "the row " + key + " of " + t.Name + " cannot be read back: " + cause.Error(),
		Since:  at, Until: at, Workspace: s.Workspace, Conversation: s.Conversation,
	})
}

// withoutUnreadable leaves out the rows that could not be read a short while ago and
// are as they were. Of a row that must be read whole nothing is known but that it has
// changed.
func (c *Comparison) withoutUnreadable(cands []Candidate) []Candidate {
	now := c.o.Clock.Elapsed()
	return slices.DeleteFunc(cands, func(one Candidate) bool {
		u, known := c.unreadable[one.Table][one.Sketch.ID()]
		return known && !one.Force && now < u.until && u.s.Equal(&one.Sketch)
	})
}

// readable notes that a row was read.
func (c *Comparison) readable(t *Table, id string) {
	if _, was := c.unreadable[t][id]; !was {
		return
	}
	delete(c.unreadable[t], id)
	c.o.Logger.Info("a row that could not be read back was read", "table", t.Name, "key", strings.ReplaceAll(id, "\x00", ", "))
}

// ForgetUnreadable drops the rows that no comparison finds any more.
func (c *Comparison) ForgetUnreadable(t *Table, before int64) {
	for id, u := range c.unreadable[t] {
		if u.s.At != 0 && u.s.At < before || u.s.At == 0 && u.until < c.o.Clock.Elapsed() {
			delete(c.unreadable[t], id)
		}
	}
}
