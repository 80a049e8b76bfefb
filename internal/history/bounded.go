package history

import (
	"slices"

	"chatbridge/source"
)

// bounded: what comes was committed and could be seen, and it comes again only
// where catching up says so, at most once for each.
func bounded(c *examined) []Violation {
	var all []Violation
	for _, a := range c.arrivals {
		e := &c.h.Entries[a.entry]
		switch {
		case a.event < 0 && c.restated(e):
		case a.event < 0:
			all = append(all, c.violation("Bounded", a.entry, -1, "%s %s (%s) of %s at %v is nothing that was committed",
				e.Kind, e.Message, e.Status, e.Conversation, e.Position))
		case a.connection < 0:
			all = append(all, c.violation("Bounded", a.entry, a.event, "%v came without a connection", &c.truth.Events[a.event]))
		case c.truth.Events[a.event].Workspace == c.h.Workspace && c.maxArrivals(c.connections[a.connection], a.event) == 0:
			all = append(all, c.violation("Bounded", a.entry, a.event, "%v came to a client that could not see it", &c.truth.Events[a.event]))
		}
	}
	for _, n := range c.connections {
		if n.recovered || c.bounds.Repeats < 0 {
			continue // none twice: resumable
		}
		for i, count := range n.count {
			if may := c.maxArrivals(n, i); may > 0 && count > may+c.bounds.Repeats {
				all = append(all, c.violation("Bounded", n.first, i, "%v came %d times in the connection from %s, may %d",
					&c.truth.Events[i], count, clock(n.from), may))
			}
		}
	}
	return all
}

// restated reports whether what was received is the status with which a message was
// committed, read from the tables: no change of it was ever committed.
func (c *examined) restated(e *Entry) bool {
	if e.Kind != MessageStatus || !e.Position.IsZero() && !c.isReadBack(e) {
		return false
	}
	for _, i := range c.found[key{Message, e.Conversation, e.Message, "", source.Position{}}] {
		if ev := &c.truth.Events[i]; ev.First == e.Status && ev.Workspace == c.h.Workspace {
			return true
		}
	}
	return slices.ContainsFunc(c.found[key{Message, e.Conversation, e.Message, e.Status, source.Position{}}], func(i int) bool {
		return c.truth.Events[i].Workspace == c.h.Workspace
	})
}

// maxArrivals returns how often an event may come in a connection.
func (c *examined) maxArrivals(n *connection, i int) int {
	ev := &c.truth.Events[i]
	if ev.Kind != Message {
		return 1 + c.catchUps(n, ev)
	}
	times := 0
	for _, p := range n.phases {
		if p.conversation != "" && p.conversation != ev.Conversation {
			continue
		}
		if c.subscribedInTime(p) {
			continue
		}
		// What was committed before it unsubscribed still comes.
		if !p.lasted && p.to.Before(n.to) && ev.At.After(p.to.Add(c.bounds.Slack)) {
			continue
		}
		if p.why == byReopening && ev.At.Before(p.from.Add(-c.bounds.Slack-c.bounds.Prompt)) {
			continue
		}
		times++
	}
	return times
}

// subscribedInTime reports whether a new client subscribed within Bounds.Grace, so
// that its phase without subscriptions does not count.
func (c *examined) subscribedInTime(p *phase) bool {
	return p.why == byConnect && !p.lasted && p.to.Sub(p.from) < c.bounds.Grace-c.bounds.Slack
}

// catchUps returns how many reads of the log repeat an event: one
// for each subscription, and one for a new client without any.
func (c *examined) catchUps(n *connection, ev *Event) int {
	times := 0
	for _, p := range n.phases {
		reads := p.why == bySubscribe && p.conversation == ev.Conversation || p.why == byConnect && !c.subscribedInTime(p)
		if reads && !ev.At.After(p.from.Add(c.bounds.CatchUp)) {
			times++
		}
	}
	return times
}
