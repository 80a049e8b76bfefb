package history

// honest: what is not there was announced, by the server and to the client,
// before the client was told that it is caught up. What nobody announced is
// reliable's.
func honest(c *examined) []Violation {
	var all []Violation
	for _, t := range c.told {
		g := t.gap
		if !g.Reload && (g.Since.IsZero() || g.Until.IsZero() || g.Since.After(g.Until)) || g.Until.After(t.at.Add(c.bounds.Slack)) {
			all = append(all, c.violation("Honest", t.entry, -1, "a gap from %s until %s was told at %s",
				clock(g.Since), clock(g.Until), clock(t.at)))
		}
	}
	for _, m := range c.missing() {
		ev := &c.truth.Events[m.event]
		t, told := c.toldOf(m.event)
		announced := c.announced(m.event)
		switch {
		case !told && !announced:
		case !told:
			all = append(all, c.violation("Honest", m.entry(), m.event, "%v never came, and the client was not told of the hole", ev))
		case !announced && c.truth.Announced != nil:
			all = append(all, c.violation("Honest", t.entry, m.event, "%v never came, and the server does not show the hole of which it told the client", ev))
		default:
			if k := c.soothed(m, t.entry); k >= 0 {
				all = append(all, c.violation("Honest", k, m.event, "%v never came; the client was told that it is caught up before it was told of the hole", ev))
			}
		}
	}
	return all
}

// soothed is where the client was told that it is caught up though an event was
// due and missing, before it was told of the hole; -1: nowhere.
func (c *examined) soothed(m miss, until int) int {
	for k := m.entry(); k < until; k++ {
		if e := &c.h.Entries[k]; e.Op == CaughtUp && e.At.After(m.due.since) {
			return k
		}
	}
	return -1
}
