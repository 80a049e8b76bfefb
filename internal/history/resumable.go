package history

// resumable: after a session was restored from an offset, exactly the events
// after it come in this connection: none missing, none twice, and none that the
// client had, but what a new subscription repeats.
func resumable(c *examined) []Violation {
	var all []Violation
	for _, n := range c.connections {
		if !n.recovered {
			continue
		}
		all = append(all, c.unresumed(n)...)
		for _, a := range c.arrivals {
			if a.connection != n.number || a.event < 0 {
				continue
			}
			ev := &c.truth.Events[a.event]
			again := c.catchUps(n, ev)
			if a.event <= n.offset && again == 0 && c.bounds.Repeats == 0 {
				all = append(all, c.violation("Resumable", a.entry, a.event, "%v came after recovery from %v, which is not before it",
					ev, c.h.Entries[n.first].Offset))
			}
		}
		for i, count := range n.count {
			ev := &c.truth.Events[i]
			if may := 1 + c.catchUps(n, ev) + max(c.bounds.Repeats, 0); i > n.offset && count > may {
				all = append(all, c.violation("Resumable", n.first, i, "%v came %d times after recovery, may %d", ev, count, may))
			}
		}
	}
	return all
}

// unresumed lists what was committed between the offset and the connection's
// begin, could be seen, and did not come.
func (c *examined) unresumed(n *connection) []Violation {
	var all []Violation
	for _, i := range c.mine[c.h.Workspace] {
		ev := &c.truth.Events[i]
		if i <= n.offset || ev.Optional || ev.At.After(n.from) || n.count[i] > 0 || c.handedOn(n, i) {
			continue
		}
		if _, ok := c.reportedGap(i); ok || !c.resumed(n, ev) {
			continue
		}
		all = append(all, c.violation("Resumable", n.first, i, "%v did not come after recovery from %v",
			ev, c.h.Entries[n.first].Offset))
	}
	return all
}

// resumed reports whether an event was for what the restored session could see,
// for long enough.
func (c *examined) resumed(n *connection, ev *Event) bool {
	if ev.Kind != Message {
		return c.hadTime(n.from, n.to, n.lasted)
	}
	for _, p := range n.phases {
		if p.why == byResuming && (p.conversation == "" || p.conversation == ev.Conversation) {
			return c.hadTime(n.from, p.to, p.lasted)
		}
	}
	return false
}
