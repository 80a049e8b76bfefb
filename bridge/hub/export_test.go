package hub

// ResetLongestHold begins to measure anew.
func (h *Hub) ResetLongestHold() {
	h.lock()
	defer h.unlock()
	h.lockTimes.longest, h.lockTimes.before = 0, 0
}
