package hub

// ResetLongestHold begins to measure anew.
func (h *Hub) ResetLongestHold() {
	h.lock()
	defer h.unlock()
	h.mu.Reset()
}

// Holds is how often the lock has been taken.
func (h *Hub) Holds() uint64 { return h.mu.Held().Times }

// SumUp does to a client that has left what a lack of memory does.
func (h *Hub) SumUp(c *Client) {
	h.lock()
	defer h.unlock()
	h.unsave(c)
	c.sumUp()
}

// CaughtUp tells that a client is sent everything as it is published.
func (h *Hub) CaughtUp(c *Client) bool {
	defer h.lockInTurn(c.Workspace)()
	return c.live && len(c.backlog) == 0
}

// WithLock calls f with the lock as a client of a workspace has it.
func (h *Hub) WithLock(workspace string, f func()) {
	defer h.lockInTurn(workspace)()
	f()
}
