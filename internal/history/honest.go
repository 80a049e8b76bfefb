package history

// honest: what is not there was announced, by the server and to the client,
// before the client got a CaughtUp. What was not announced at all is reliable's.
func honest(c *examined) []Violation {
	var all []Violation
	for _, t := range c.gapReports {
		g := t.gap
		if !g.Reload && (g.Since.IsZero() || g.Until.IsZero() || g.Since.After(g.Until)) || g.Until.After(t.at.Add(c.bounds.Slack)) {
			all = append(all, c.violation("Honest", t.entry, -1, "a gap from %s until %s was reported at %s",
				clock(g.Since), clock(g.Until), clock(t.at)))
		}
	}
	for _, m := range c.missing() {
		ev := &c.truth.Events[m.event]
		t, reported := c.reportedGap(m.event)
		announced := c.announced(m.event)
		switch {
		case !reported && !announced:
		case !reported:
			all = append(all, c.violation("Honest", m.entry(), m.event, "%v never came, and no gap was reported to the client", ev))
		case !announced && c.truth.Announced != nil:
			all = append(all, c.violation("Honest", t.entry, m.event, "%v never came, and the server does not show the gap that it reported to the client", ev))
		default:
			if k := c.caughtUpBefore(m, t.entry); k >= 0 {
				all = append(all, c.violation("Honest", k, m.event, "%v never came; the client got a CaughtUp before the gap was reported to it", ev))
			}
		}
	}
	return all
}

// caughtUpBefore is the entry at which the client got a CaughtUp though an event
// was due and missing, before the gap was reported to it; -1: none.
func (c *examined) caughtUpBefore(m miss, until int) int {
	for k := m.entry(); k < until; k++ {
		if e := &c.h.Entries[k]; e.Op == CaughtUp && e.At.After(m.due.since) {
			return k
		}
	}
	return -1
}
