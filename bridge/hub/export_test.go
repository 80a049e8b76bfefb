package hub

// ResetLongestHold begins to measure anew.
func (h *Hub) ResetLongestHold() {
	h.lock()
	defer h.unlock()
	h.lockTimes.longest, h.lockTimes.before = 0, 0
}

// SumUp does to a client that has left what a lack of memory does.
func (h *Hub) SumUp(c *Client) {
	h.lock()
	defer h.unlock()
	h.unsave(c)
	c.sumUp()
}
