package hub

import "time"

// loss is a gap of every client of a workspace, connected or away, when it was
// reported.
type loss struct {
	gap
	workspace string // "" is all
	reported  time.Time
	// atStart: nothing had been published yet, so the log holds nothing of before.
	atStart bool
}

// maxLosses bounds the losses that returning clients are told of; the oldest are
// merged.
const maxLosses = 100

// Gap tells every client, also those that come back later, that what was committed
// between since (zero: unknown) and until will not come. reload: the database has
// another history.
func (h *Hub) Gap(since, until time.Time, reload bool) {
	l := loss{gap: gap{reason: gapSource, since: since, until: until, reload: reload}, reported: time.Now()}
	if reload {
		l.reason = gapHistory
	}
	h.lock()
	l.atStart = h.log.Head().IsZero() && h.history == 0
	h.remember(l)
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
			h.noteGap(c, l.gap)
			h.startPump(c)
		}
		h.unlock()
		clients = clients[n:]
	}
}

// gapBatch bounds the clients that are told while the lock is held once.
const gapBatch = 256

// remember keeps a loss for clients that come back. mu must be held.
func (h *Hub) remember(l loss) {
	h.losses = append(h.losses, l)
	if len(h.losses) > maxLosses {
		old := h.losses[0]
		h.losses = h.losses[1:]
		h.losses[0].merge(old.gap)
		h.losses[0].workspace, h.losses[0].conversation = "", ""
	}
}

// noteLosses notes, for a client that connects, the losses reported while it was
// away; for a new one, those that lie in the window. mu must be held.
func (h *Hub) noteLosses(c, prior *Client, now time.Time) {
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
			o := l.gap
			if l.atStart && since.Before(o.since) {
				o.since = since
			}
			h.noteGap(c, o)
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

// LeftOut tells the clients of a workspace that an event of a conversation (empty:
// not known), committed at the given time, was too large to be sent.
func (h *Hub) LeftOut(workspace, conversation []byte, commit time.Time) {
	h.lock()
	defer h.unlock()
	l := loss{
		gap:       gap{reason: gapLeftOut, since: commit, until: commit, conversation: string(conversation)},
		workspace: string(workspace), reported: time.Now(),
	}
	h.remember(l)
	if t := h.tenants[l.workspace]; t != nil {
		for c := range t.clients {
			h.noteGap(c, l.gap)
			h.startPump(c)
		}
	}
}
