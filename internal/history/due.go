package history

import (
	"slices"
	"time"
)

// due is the time since when an event had to come, and why.
type due struct {
	since time.Time
	phase *phase // nil for what needs no subscription
}

// isDue reports whether connection n had to send the event at place i and had the
// time to. What a restored session has to send from its offset on is left out: see
// resumable.
func (c *examined) isDue(n *connection, i int) (due, bool) {
	ev := &c.truth.Events[i]
	if ev.Optional {
		return due{}, false
	}
	if ev.Kind != Message {
		if !c.reaches(ev, i, n, &phase{from: n.from, floor: n.floor, why: c.began(n)}) {
			return due{}, false
		}
		d := due{since: later(ev.At, n.from)}
		return d, c.hadTime(d.since, n.to, n.lasted)
	}
	for _, p := range n.phases {
		if p.conversation != "" && p.conversation != ev.Conversation || !c.reaches(ev, i, n, p) {
			continue
		}
		d := due{later(ev.At, c.sees(p)), p}
		if c.hadTime(d.since, p.to, p.lasted) {
			return d, true
		}
	}
	return due{}, false
}

// dueSinceLast reports whether connection n had to send the event at i because the
// client could have seen it in the connection before, or between the two.
func (c *examined) dueSinceLast(n *connection, i int) (due, bool) {
	ev := &c.truth.Events[i]
	if n.number == 0 || n.recovered || n.noPast || ev.Optional || !c.hadTime(n.from, n.to, n.lasted) {
		return due{}, false
	}
	before := c.connections[n.number-1]
	if !ev.At.After(before.from) || ev.At.After(n.from) {
		return due{}, false
	}
	if ev.Kind == Message && (!c.saw(before, ev, true) || !c.saw(n, ev, false)) {
		return due{}, false
	}
	return due{since: n.from}, true
}

// saw reports whether a connection had the event's conversation open when it was
// committed, or, with atEnd, at its own end; else at any time.
func (c *examined) saw(n *connection, ev *Event, atEnd bool) bool {
	for _, p := range n.phases {
		if p.why == byConnect && !p.lasted && p.to.Before(n.to) && p.to.Sub(p.from) <= c.bounds.Grace+c.bounds.Slack {
			continue // it may have subscribed in time, and then was owed none but those
		}
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

// sees is when a phase's messages begin to be due: for a new client without
// subscriptions after Bounds.Grace, in which it may subscribe.
func (c *examined) sees(p *phase) time.Time {
	if p.why == byConnect {
		return p.from.Add(c.bounds.Grace)
	}
	return p.from
}

// reaches reports whether a phase goes back as far as an event.
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

// hadTime reports whether there was time to send what was due since then.
func (c *examined) hadTime(since, to time.Time, lasted bool) bool {
	return lasted || c.active(since, to) > c.bounds.Prompt
}

// handedOn reports whether the next connection had to send what connection n did
// not, because it restored the session from before that event.
func (c *examined) handedOn(n *connection, i int) bool {
	next := n.number + 1
	return next < len(c.connections) && c.connections[next].recovered && c.connections[next].offset < i
}

// replaced reports whether the event at i need not be sent, because it came before
// connection n had caught the client up and the client has a newer state, or a
// gap was reported for one.
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
			if _, reported := c.reportedGap(k); reported {
				return true
			}
		}
	}
	return false
}

// subject is what an event gives a state of: a newer event of the same subject
// replaces it.
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

// miss is an event that was due and never came.
type miss struct {
	event      int
	connection *connection
	due        due
}

// missing lists what was due in any connection and is nowhere in the history.
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
			d, ok := c.isDue(n, i)
			if !ok && c.bounds.Continuous {
				d, ok = c.dueSinceLast(n, i)
			}
			if ok && !c.replaced(n, i) {
				all = append(all, miss{i, n, d})
				break
			}
		}
	}
	return all
}

// reportedGap is the first gap reported to the client that covers an event.
func (c *examined) reportedGap(i int) (gapReport, bool) {
	for _, t := range c.gapReports {
		if t.gap.covers(&c.truth.Events[i], t.at) {
			return t, true
		}
	}
	return gapReport{}, false
}

// announced reports whether the server announced that an event may be missing.
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

// since describes since when and why an event was due.
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
