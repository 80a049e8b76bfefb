package history

import "time"

// ordered: the first arrivals of one conversation's messages are in commit
// order; a status never goes back to one that an event after it had replaced;
// the last conversation and messageStatus seen are the newest of those seen, and
// what the client shows of a message is the newest status that it saw: it takes
// no status for a message that it does not have yet.
func ordered(c *examined) []Violation {
	o := order{c, make(map[string]int), make(map[subject]int), make(map[string]int)}
	var all []Violation
	last := make(map[subject]arrival)
	for k, a := range c.arrivals {
		if a.event < 0 || c.truth.Events[a.event].Workspace != c.h.Workspace {
			continue
		}
		switch ev := &c.truth.Events[a.event]; {
		case c.isReadBack(&c.h.Entries[a.entry]):
			o.readBack(a, ev, last)
		case ev.Kind == Message:
			all = append(all, o.message(k, a, ev)...)
		case ev.Kind == MessageStatus:
			if c.bounds.Repeats < 0 {
				// A repeated event may be older than one before it, but the last
				// one may not.
				o.last(a, last)
				break
			}
			if _, read := last[o.subject(a.event)]; read {
				last[o.subject(a.event)] = a
			}
			all = append(all, o.status(a, ev)...)
		case ev.Kind == Conversation:
			o.last(a, last)
		}
	}
	for s, a := range last {
		if newest := o.newest[s]; a.event < newest && !same(&c.truth.Events[a.event], &c.truth.Events[newest]) {
			all = append(all, c.violation("Ordered", a.entry, a.event, "%v came after %v, and nothing newer after it",
				&c.truth.Events[a.event], &c.truth.Events[newest]))
		}
	}
	return append(all, o.stale()...)
}

// last notes the newest and the last arrival of a subject.
func (o *order) last(a arrival, last map[subject]arrival) {
	s := o.subject(a.event)
	o.newest[s] = max(o.newest[s], a.event)
	last[s] = a
	if _, known := o.shown[s.message]; known && s.kind == MessageStatus {
		o.shown[s.message] = a.event
	}
}

// readBack notes the arrival of a row that was read back: the stream may bring older
// states after it, as long as it brings the newest in the end.
func (o *order) readBack(a arrival, ev *Event, last map[subject]arrival) {
	if ev.Kind != Message {
		last[o.subject(a.event)] = a
	}
	if _, known := o.shown[ev.Message]; known && ev.Kind == MessageStatus || !known && ev.Kind == Message {
		o.shown[ev.Message] = a.event
	}
}

// same reports whether two events of a subject leave the client in the same state.
func same(a, b *Event) bool { return a.Message == b.Message && a.Status == b.Status }

// order is what has come so far, by places in the truth.
type order struct {
	*examined
	messages map[string]int  // a conversation's newest message
	newest   map[subject]int // a conversation's newest state, a message's newest status
	shown    map[string]int  // the event that gave a message the status that is shown
}

func (o *order) message(k int, a arrival, ev *Event) []Violation {
	if o.first[a.event] != k {
		return nil // a repetition, which clients drop
	}
	o.shown[ev.Message] = a.event
	before, ok := o.messages[ev.Conversation]
	o.messages[ev.Conversation] = max(before, a.event)
	if _, reported := o.reportedGap(a.event); reported {
		return nil // reported as a gap, and sent later
	}
	if ok && before > a.event && o.visible(a.event, before, o.arrivals[o.first[before]].entry) {
		return []Violation{o.violation("Ordered", a.entry, a.event, "%v came first after %v", ev, &o.truth.Events[before])}
	}
	return nil
}

// reopened reports whether ev could be seen before the phase began, because the
// client had cancelled its last subscription, in this connection or the one that
// it restored.
func (o *order) reopened(n *connection, ev *Event, p *phase) bool {
	for _, q := range n.phases {
		if (q.why == byReopening || q.why == byResuming && q.conversation == "") && !ev.At.Before(o.since(n, q)) && !ev.At.After(p.from) && q.entry < p.entry {
			return true
		}
	}
	return false
}

// since is when a phase began, of all messages in a restored session: when the client
// cancelled its last subscription.
func (o *order) since(n *connection, q *phase) time.Time {
	if q.why == byResuming && n.number > 0 {
		before := o.connections[n.number-1]
		for _, r := range before.phases {
			if (r.why == byReopening || r.why == byResuming) && r.conversation == "" && r.to.Equal(before.to) {
				return o.since(before, r)
			}
		}
	}
	return q.from
}

// visible reports whether the client could see the message at place i before an
// entry: one of a conversation without subscription meanwhile may come after
// newer ones.
func (o *order) visible(i, before, entry int) bool {
	ev := &o.truth.Events[i]
	for _, n := range o.connections {
		for _, p := range n.phases {
			if p.entry > entry || o.subscribedInTime(p) || !p.lasted && p.to.Sub(p.from) <= o.bounds.Slack || p.conversation != "" && p.conversation != ev.Conversation || ev.At.After(p.to) {
				continue
			}
			if p.conversation == "" && !p.lasted && ev.At.Add(o.bounds.Grace).After(p.to) {
				continue // it subscribed before that could come
			}
			if to, lasted := o.until(n, p); !to.After(o.h.Entries[entry].At) && !o.hadTime(later(ev.At, p.from), to, lasted) {
				continue // that ended before all of it had come
			}
			if p.why == bySubscribe && o.reopened(n, &o.truth.Events[before], p) {
				continue // the newer one was sent before the subscription
			}
			if p.why == byResuming && i > n.offset || p.why != byResuming && o.reaches(ev, i, n, p) {
				return true
			}
		}
	}
	return false
}

// until returns when a phase ended, also in connections that restored the session.
func (o *order) until(n *connection, p *phase) (to time.Time, lasted bool) {
	if next := n.number + 1; p.to.Equal(n.to) && next < len(o.connections) && o.connections[next].recovered {
		for _, q := range o.connections[next].phases {
			if q.why == byResuming && q.conversation == p.conversation {
				return o.until(o.connections[next], q)
			}
		}
	}
	return p.to, p.lasted
}

func (o *order) status(a arrival, ev *Event) []Violation {
	s := o.subject(a.event)
	if _, known := o.shown[ev.Message]; known {
		o.shown[ev.Message] = a.event
	}
	before, ok := o.newest[s]
	o.newest[s] = max(before, a.event)
	if ok && before > a.event && o.truth.Events[before].Status != ev.Status {
		return []Violation{o.violation("Ordered", a.entry, a.event, "%v came after %v", ev, &o.truth.Events[before])}
	}
	return nil
}

// stayed reports whether the connection in which the event at i came first lasted
// long enough for its statuses to follow, or was restored.
func (o *order) stayed(i int) bool {
	a := o.arrivals[o.first[i]]
	if a.connection < 0 {
		return true
	}
	n := o.connections[a.connection]
	return o.handedOn(n, i) || o.hadTime(o.h.Entries[a.entry].At, n.to, n.lasted)
}

// follows reports whether the client can see the event's conversation in the end.
func (o *order) follows(ev *Event) bool {
	for _, p := range o.connections[len(o.connections)-1].phases {
		if p.lasted && (p.conversation == "" || p.conversation == ev.Conversation) {
			return true
		}
	}
	return false
}

// stale lists the messages that are shown at the end with an older status than
// one that came before them.
func (o *order) stale() []Violation {
	if n := len(o.connections); n == 0 || !o.connections[n-1].lasted {
		return nil // not connected at the end
	}
	var all []Violation
	for message, i := range o.shown {
		ev := &o.truth.Events[i]
		if ev.Kind != Message {
			continue
		}
		newest, ok := o.newest[subject{MessageStatus, ev.Workspace, ev.Conversation, message}]
		if !ok || newest <= i {
			continue
		}
		if _, reported := o.reportedGap(newest); !reported && o.follows(ev) && o.stayed(i) {
			all = append(all, o.violation("Ordered", o.arrivals[o.first[i]].entry, i, "%v came after %v, and is shown as it was",
				ev, &o.truth.Events[newest]))
		}
	}
	return all
}
