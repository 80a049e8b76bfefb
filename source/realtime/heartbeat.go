package realtime

import "time"

// heartbeat is when heartbeats are due, and the oldest that was not answered.
type heartbeat struct {
	timeout time.Duration
	next    time.Time // when to send the next
	// openRef is the oldest heartbeat without an answer, empty for none, sentAt
	// when it was sent.
	openRef string
	sentAt  time.Time
	// joinPending is when a join was last pending: the server answers nothing on
	// a socket while it works on a join.
	joinPending time.Time
}

// sent notes a heartbeat.
func (h *heartbeat) sent(ref string, now, next time.Time) {
	h.next = next
	if h.openRef == "" {
		h.openRef, h.sentAt = ref, now
	}
}

// answered notes an answer: any shows that the server works on the socket.
func (h *heartbeat) answered() { h.openRef = "" }

// openFor is how long a heartbeat has been without an answer, 0 where none is.
func (h *heartbeat) openFor() time.Duration {
	if h.openRef == "" {
		return 0
	}
	return time.Since(h.sentAt)
}

// deadline is when the open heartbeat has gone without an answer for too long,
// not counting the time in which a join was pending; zero where none is open.
func (h *heartbeat) deadline() time.Time {
	switch {
	case h.openRef == "":
		return time.Time{}
	case h.joinPending.After(h.sentAt):
		return h.joinPending.Add(h.timeout)
	}
	return h.sentAt.Add(h.timeout)
}

func (h *heartbeat) overdue(now time.Time) bool {
	return h.openRef != "" && !now.Before(h.deadline())
}

// due is when something has to be done next.
func (h *heartbeat) due() time.Time {
	if at := h.deadline(); !at.IsZero() && at.Before(h.next) {
		return at
	}
	return h.next
}
