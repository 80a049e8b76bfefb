package hub

import "time"

// loss is something that nobody is given: it concerns every client of the
// workspace which was there, or away, when it was reported.
type loss struct {
	hole
	workspace string // "" is all
	reported  time.Time
	// blank: nothing had been published yet, so the log holds nothing of before.
	blank bool
}

// lossesKept bounds the losses that returning clients are told of.
const lossesKept = 100

// Gap tells every client, those too that come back later, that what was committed
// between since (zero: unknown) and until will not come. reload: history is another
// one.
func (h *Hub) Gap(since, until time.Time, reload bool) {
	l := loss{hole: hole{reason: holeSource, since: since, until: until, reload: reload}, reported: time.Now()}
	if reload {
		l.reason = holeHistory
	}
	h.lock()
	l.blank = h.log.Head().IsZero() && h.history == 0
	h.keep(l)
	var clients []*Client
	for _, t := range h.tenants {
		for c := range t.clients {
			clients = append(clients, c)
		}
	}
	h.unlock()
	for len(clients) > 0 {
		n := min(len(clients), gapBatch)
		h.lock()
		for _, c := range clients[:n] {
			h.hole(c, l.hole)
			h.feed(c)
		}
		h.unlock()
		clients = clients[n:]
	}
}

// gapBatch bounds the clients that are told while the lock is held once.
const gapBatch = 256

// keep remembers a loss for those that come back. mu must be held.
func (h *Hub) keep(l loss) {
	h.losses = append(h.losses, l)
	if len(h.losses) > lossesKept {
		old := h.losses[0]
		h.losses = h.losses[1:]
		h.losses[0].merge(old.hole)
		h.losses[0].workspace, h.losses[0].conversation = "", ""
	}
}

// tellLosses tells a client that comes of the losses reported while it was away; a
// new one, of those that lie in the window.
func (h *Hub) tellLosses(c, prior *Client, now time.Time) {
	left := now
	if prior != nil && prior.gone {
		left = prior.left
	}
	since := now.Add(-h.opts.Replay.Window)
	if !c.claim.Commit.IsZero() {
		since = c.claim.Commit
	}
	for _, l := range h.losses {
		if l.workspace != "" && l.workspace != c.Workspace {
			continue
		}
		if prior != nil && !l.reported.Before(left) || prior == nil && l.until.After(since) {
			o := l.hole
			if l.blank && since.Before(o.since) {
				o.since = since
			}
			h.hole(c, o)
		}
	}
}

// Restart begins another history, whose positions have nothing to do with
// those before: the database was restored or failed over. The log is emptied,
// sessions from before are not restored, and every client is told to reload. began
// is the commit time of the new history's first transaction: offsets of earlier
// ones are of the old history.
func (h *Hub) Restart(since, until, began time.Time) {
	h.lock()
	h.log.Clear()
	h.history++
	h.began = began.Truncate(time.Millisecond)
	h.unlock()
	h.Gap(since, until, true)
}

// LeftOut tells the clients of a workspace that an event of one of its
// conversations (empty: of none that is known), committed at the given time, was
// too large to be sent.
func (h *Hub) LeftOut(workspace, conversation []byte, commit time.Time) {
	h.lock()
	defer h.unlock()
	l := loss{
		hole:      hole{reason: holeLeftOut, since: commit, until: commit, conversation: string(conversation)},
		workspace: string(workspace), reported: time.Now(),
	}
	h.keep(l)
	if t := h.tenants[l.workspace]; t != nil {
		for c := range t.clients {
			h.hole(c, l.hole)
			h.feed(c)
		}
	}
}
