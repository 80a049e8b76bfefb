package history

// reliable: every event that the client could see from the moment at which it
// could see it is there, or a gap was announced. What is due in a restored session
// from its offset on is resumable's.
func reliable(c *examined) []Violation {
	var all []Violation
	for _, m := range c.missing() {
		if _, ok := c.reportedGap(m.event); ok || c.announced(m.event) {
			continue
		}
		all = append(all, c.violation("Reliable", m.entry(), m.event, "%v never came (%s)",
			&c.truth.Events[m.event], c.since(m.connection, m.due)))
	}
	return all
}

// entry is the entry since which the missing event was due.
func (m miss) entry() int {
	if m.due.phase != nil {
		return m.due.phase.entry
	}
	return m.connection.first
}
