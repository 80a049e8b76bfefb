package realtime

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
	s sketch
	// until is when it is tried again, in the clock's time.
	until time.Duration
}

// skip passes over a row that could not be read and reports it, once for each state of
// it: in the log, by its key, and to the handler, as lost to those whose it is.
func (r *reconciler) skip(ctx context.Context, c candidate, cause error) error {
	known, again := r.unreadable[c.table][c.s.id()]
	if r.unreadable[c.table] == nil {
		r.unreadable[c.table] = map[string]unreadable{}
	}
	r.unreadable[c.table][c.s.id()] = unreadable{c.s, r.s.clock.elapsed() + r.s.opts.WindowInterval}
	if again && !c.force && known.s.equal(&c.s) {
		return nil
	}
	c.table.unreadable.Add(1)
	key := strings.Join(c.s.key, ", ")
	r.s.log.Error("a row cannot be read back and is left out; it is tried again later",
		"table", c.table.name, "key", key, "error", cause, "next_try_in", r.s.opts.WindowInterval)
	at := r.s.clock.now()
	if c.s.at != 0 {
		at = time.UnixMicro(c.s.at).UTC()
	}
	_, err := r.publish(ctx, &batch{gap: &source.Gap{
		Reason: "the row " + key + " of " + c.table.name + " cannot be read back: " + cause.Error(),
		Since:  at, Until: at, Workspace: c.s.workspace, Conversation: c.s.conversation,
	}})
	return err
}

// withoutUnreadable leaves out the rows that could not be read a short while ago and
// are as they were. Of a row that must be read whole nothing is known but that it has
// changed.
func (r *reconciler) withoutUnreadable(cands []candidate) []candidate {
	now := r.s.clock.elapsed()
	return slices.DeleteFunc(cands, func(c candidate) bool {
		u, known := r.unreadable[c.table][c.s.id()]
		return known && !c.force && now < u.until && u.s.equal(&c.s)
	})
}

// readable notes that a row was read.
func (r *reconciler) readable(t *table, id string) {
	if _, was := r.unreadable[t][id]; !was {
		return
	}
	delete(r.unreadable[t], id)
	r.s.log.Info("a row that could not be read back was read", "table", t.name, "key", strings.ReplaceAll(id, "\x00", ", "))
}

// forgetUnreadable drops the rows that no comparison finds any more.
func (r *reconciler) forgetUnreadable(t *table, before int64) {
	for id, u := range r.unreadable[t] {
		if u.s.at != 0 && u.s.at < before || u.s.at == 0 && u.until < r.s.clock.elapsed() {
			delete(r.unreadable[t], id)
		}
	}
}
