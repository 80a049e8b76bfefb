package hub

import "time"

// lockTimes measures for how long the Hub's lock is held.
type lockTimes struct {
	began           time.Time
	minute          time.Time // when longest began to count
	longest, before time.Duration
	total           time.Duration
}

func (h *Hub) lock() {
	h.mu.Lock()
	h.lockTimes.began = time.Now()
}

func (h *Hub) unlock() {
	now := time.Now()
	held := now.Sub(h.lockTimes.began)
	h.lockTimes.total += held
	if now.Sub(h.lockTimes.minute) >= time.Minute {
		h.lockTimes.minute, h.lockTimes.before, h.lockTimes.longest = now, h.lockTimes.longest, 0
	}
	h.lockTimes.longest = max(h.lockTimes.longest, held)
	h.mu.Unlock()
}
