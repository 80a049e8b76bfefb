package hub

import (
	"slices"
	"time"

	"chatbridge/source"
)

// loss is a gap of every client that a workspace had when it was reported, connected or
// away.
type loss struct {
	gap
	workspace string // "" is all
	reported  time.Time
	// atStart: nothing had been published yet, so the log has nothing from before it.
	atStart bool
}

// losses are what clients that come back may have to be told of: the losses of all
// workspaces together, and those of single ones. Both are bounded in number: the two
// oldest of a list are merged, and beyond maxLossWorkspaces workspaces, the losses of
// whichever workspace the map yields first become losses of all.
type losses struct {
	all []loss
	of  map[string][]loss
}

const (
	maxLosses          = 100 // of all workspaces
	maxWorkspaceLosses = 16  // of one
	maxLossWorkspaces  = 10_000
)

// add keeps a loss.
func (ls *losses) add(l loss) {
	if l.workspace == "" {
		ls.all = appendLoss(ls.all, l, maxLosses)
		return
	}
	if ls.of == nil {
		ls.of = make(map[string][]loss)
	}
	if _, ok := ls.of[l.workspace]; !ok && len(ls.of) >= maxLossWorkspaces {
		for workspace, old := range ls.of {
			for _, o := range old {
				o.workspace, o.conversation = "", ""
				ls.all = appendLoss(ls.all, o, maxLosses)
			}
			delete(ls.of, workspace)
			break
		}
	}
	ls.of[l.workspace] = appendLoss(ls.of[l.workspace], l, maxWorkspaceLosses)
}

// appendLoss appends a loss, and merges the two oldest where there are too many.
func appendLoss(list []loss, l loss, most int) []loss {
	list = append(list, l)
	if len(list) > most {
		if list[1].conversation != list[0].conversation {
			list[1].conversation = ""
		}
		list[1].merge(list[0].gap)
		list[1].atStart = list[1].atStart || list[0].atStart
		if list[0].reported.After(list[1].reported) {
			list[1].reported = list[0].reported
		}
		list = append(list[:0], list[1:]...)
	}
	return list
}

// Gap tells every client, including those that come back later, that what was committed
// between since (zero: unknown) and until will not come. reload: the database has
// another history.
func (h *Hub) Gap(since, until time.Time, reload bool) {
	l := loss{gap: gap{reason: gapSource, since: since, until: until, reload: reload}, reported: time.Now()}
	if reload {
		l.reason = gapHistory
	}
	h.lock()
	l.atStart = h.log.Head().IsZero() && h.history == 0
	h.losses.add(l)
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

// noteLosses notes, for a client that connects, the losses reported while it was
// away; for a new client, those of the window or since its offset. mu must be held.
func (h *Hub) noteLosses(c, prior *Client, now time.Time) {
	left := now
	if prior != nil && prior.gone {
		left = prior.left
	}
	since := now.Add(-h.opts.Replay.Window)
	if !c.from.Commit.IsZero() {
		since = c.from.Commit
	}
	missed := func(l *loss) bool {
		switch {
		case prior == nil:
			return l.until.After(since)
		case prior.elsewhere: // it was told of losses that ended before its offset
			return !l.until.Before(since)
		}
		return !l.reported.Before(left)
	}
	for _, l := range slices.Concat(h.losses.all, h.losses.of[c.Workspace]) {
		if missed(&l) {
			o := l.gap
			if l.atStart && since.Before(o.since) {
				o.since = since
			}
			h.noteGap(c, o)
		}
	}
}

// Restart begins another history, whose positions cannot be compared with the earlier
// ones: the database was restored or failed over. The log is emptied, earlier sessions
// are not restored, and every client is told to reload. since and until are as for Gap.
// began is the commit time of the new history's first transaction: offsets with an
// earlier time are of the old history.
func (h *Hub) Restart(since, until, began time.Time) {
	h.lock()
	h.log.Clear()
	h.headCommit = time.Time{}
	for _, t := range h.tenants {
		for c := range t.clients {
			c.Names.Since = source.Position{} // every event of the new history is after it
		}
	}
	h.history++
	h.began = began.Truncate(time.Millisecond)
	h.wakeAll()
	h.unlock()
	h.Gap(since, until, true)
}

// Rejoin empties the log, because events may be missing between those published and
// those that come next; these may repeat published ones. No client may be connected.
// A client that comes back is caught up from the tables, or told of a gap.
func (h *Hub) Rejoin() {
	h.lock()
	defer h.unlock()
	h.log.Clear()
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
	h.losses.add(l)
	if t := h.tenants[l.workspace]; t != nil {
		for c := range t.clients {
			h.noteGap(c, l.gap)
			h.startPump(c)
		}
	}
}
