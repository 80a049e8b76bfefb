package hub

// ResetLongestHold begins to measure anew.
func (h *Hub) ResetLongestHold() {
	h.lock()
	defer h.unlock()
	h.holds.longest, h.holds.before = 0, 0
}
