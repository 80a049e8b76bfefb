package history

import (
	"slices"
	"time"
)

// due is from when on a client could expect an event, and why.
type due struct {
	since time.Time
	phase *phase // nil for what needs no subscription
}

// owed tells whether connection n owed the client the event at place i for long
// enough to have sent it, apart from what a restored session is owed from its
// offset on.
func (c *examined) owed(n *connection, i int) (due, bool) {
	ev := &c.truth.Events[i]
	if ev.Optional {
		return due{}, false
	}
	if ev.Kind != Message {
		if !c.reaches(ev, i, n, &phase{from: n.from, floor: n.floor, why: c.began(n)}) {
			return due{}, false
		}
		d := due{since: later(ev.At, n.from)}
		return d, c.endured(d.since, n.to, n.lasted)
	}
	for _, p := range n.phases {
		if p.conversation != "" && p.conversation != ev.Conversation || !c.reaches(ev, i, n, p) {
			continue
		}
		d := due{later(ev.At, c.sees(p)), p}
		if c.endured(d.since, p.to, p.lasted) {
			return d, true
		}
	}
	return due{}, false
}

// owedSince tells whether connection n owed the client the event at i because
// it could have seen it in the connection before, or between the two.
func (c *examined) owedSince(n *connection, i int) (due, bool) {
	ev := &c.truth.Events[i]
	if n.number == 0 || n.recovered || n.noPast || ev.Optional || !c.endured(n.from, n.to, n.lasted) {
		return due{}, false
	}
	before := c.connections[n.number-1]
	if !ev.At.After(before.from) || ev.At.After(n.from) {
		return due{}, false
	}
	if ev.Kind == Message && (!before.saw(ev, true) || !n.saw(ev, false)) {
		return due{}, false
	}
	return due{since: n.from}, true
}

// saw tells whether a connection had the event's conversation open when it was
// committed, or, with atEnd, at its own end; else at any time.
func (n *connection) saw(ev *Event, atEnd bool) bool {
	for _, p := range n.phases {
		if p.conversation != "" && p.conversation != ev.Conversation {
			continue
		}
		if !atEnd || p.to.Equal(n.to) || !ev.At.Before(p.from) && !ev.At.After(p.to) {
			return true
		}
	}
	return false
}

func (c *examined) began(n *connection) why {
	if n.recovered {
		return byResuming
	}
	return byConnect
}

// sees is when a phase's messages may begin to come: a new client that has not
// subscribed might yet do so.
func (c *examined) sees(p *phase) time.Time {
	if p.why == byConnect {
		return p.from.Add(c.bounds.Grace)
	}
	return p.from
}

// reaches tells whether a phase goes back as far as an event.
func (c *examined) reaches(ev *Event, i int, n *connection, p *phase) bool {
	switch p.why {
	case byResuming:
		return i > n.offset && ev.At.After(p.from)
	case byReopening:
		return ev.At.After(p.from.Add(c.bounds.Slack))
	}
	if n.noPast {
		return ev.At.After(p.from.Add(c.bounds.Slack))
	}
	if !p.floor.IsZero() {
		return ev.Position.Compare(p.floor) > 0
	}
	return !ev.At.Before(p.from.Add(c.bounds.Slack - c.bounds.Window))
}

// endured tells whether what was due since then had the time to come.
func (c *examined) endured(since, to time.Time, lasted bool) bool {
	return lasted || c.active(since, to) > c.bounds.Prompt
}

// handedOn tells whether what connection n did not send the next one had to,
// because it restored the session from before that event.
func (c *examined) handedOn(n *connection, i int) bool {
	next := n.number + 1
	return next < len(c.connections) && c.connections[next].recovered && c.connections[next].offset < i
}

// replaced tells whether the event at i need not be sent, because it came before
// connection n had caught the client up and the client has a newer state, or
// was told that one is missing.
func (c *examined) replaced(n *connection, i int) bool {
	ev := &c.truth.Events[i]
	if ev.Kind == Message || ev.At.After(n.caughtUp) {
		return false
	}
	subject := c.subject(i)
	if slices.ContainsFunc(c.of[subject], func(a arrival) bool { return a.event > i }) {
		return true
	}
	for _, k := range c.mine[ev.Workspace] { // one that is announced as missing
		if k > i && c.subject(k) == subject {
			if _, told := c.toldOf(k); told {
				return true
			}
		}
	}
	return false
}

// subject is what a newer event of its kind is a newer state of.
type subject struct {
	kind                             Kind
	workspace, conversation, message string
}

func (c *examined) subject(i int) subject {
	ev := &c.truth.Events[i]
	s := subject{kind: ev.Kind, workspace: ev.Workspace, conversation: ev.Conversation}
	if ev.Kind != Conversation {
		s.message = ev.Message
	}
	return s
}

// miss is an event that the client was owed and never got.
type miss struct {
	event      int
	connection *connection
	due        due
}

// missing lists what was owed by any connection and is nowhere in the history.
func (c *examined) missing() []miss {
	var all []miss
	for _, i := range c.mine[c.h.Workspace] {
		if _, ok := c.first[i]; ok {
			continue
		}
		for _, n := range c.connections {
			if c.handedOn(n, i) {
				continue
			}
			d, ok := c.owed(n, i)
			if !ok && c.bounds.Continuous {
				d, ok = c.owedSince(n, i)
			}
			if ok && !c.replaced(n, i) {
				all = append(all, miss{i, n, d})
				break
			}
		}
	}
	return all
}

// toldOf is the first announcement to the client that covers an event.
func (c *examined) toldOf(i int) (told, bool) {
	for _, t := range c.told {
		if t.gap.covers(&c.truth.Events[i], t.at) {
			return t, true
		}
	}
	return told{}, false
}

// announced tells whether the server announced that an event may be missing.
func (c *examined) announced(i int) bool {
	ev := &c.truth.Events[i]
	for k := range c.truth.Announced {
		g := &c.truth.Announced[k]
		if g.Workspace != "" && g.Workspace != ev.Workspace || g.Client != "" && g.Client != c.h.Client {
			continue
		}
		if g.covers(ev, g.Until) {
			return true
		}
	}
	return false
}

// since says in words from when on and why an event was due.
func (c *examined) since(n *connection, d due) string {
	if d.phase == nil {
		return "connection " + clock(n.from)
	}
	switch d.phase.why {
	case bySubscribe:
		return "subscribed at " + clock(d.phase.from)
	case byReopening:
		return "without subscription since " + clock(d.phase.from)
	}
	return "connected at " + clock(d.phase.from)
}
