package history

// prompt: while the source flows and the client reads, no event takes longer
// than the bound from when it was due. Only what came is judged, and where it
// came first; what never came is reliable's.
func prompt(c *examined) []Violation {
	var all []Violation
	for k, a := range c.arrivals {
		if a.event < 0 || a.connection < 0 || c.first[a.event] != k {
			continue
		}
		n, ev := c.connections[a.connection], &c.truth.Events[a.event]
		if ev.Workspace != c.h.Workspace {
			continue // of another workspace: isolated reports it
		}
		at := c.h.Entries[a.entry].At
		d := due{since: later(ev.At, n.from)}
		if ev.Kind == Message {
			p := c.phaseAt(n, ev, a.entry)
			if p == nil {
				continue // not subscribed: bounded reports it
			}
			d = due{later(ev.At, c.sees(p)), p}
		}
		if took := c.active(d.since, at); took > c.bounds.Prompt {
			all = append(all, c.violation("Prompt", a.entry, a.event, "%v came at %s, %v after it was due (%s)",
				ev, clock(at), took, c.since(n, d)))
		}
	}
	return all
}

// phaseAt is the newest phase before an entry in which an event could be seen.
func (c *examined) phaseAt(n *connection, ev *Event, entry int) *phase {
	var found *phase
	for _, p := range n.phases {
		if p.entry < entry && !c.subscribedInTime(p) && (p.conversation == "" || p.conversation == ev.Conversation) {
			found = p
		}
	}
	return found
}
