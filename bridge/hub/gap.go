package hub

import (
	"encoding/json"
	"slices"
	"time"

	"chatbridge/bridge/replay"
	"chatbridge/socketio"
	"chatbridge/source"
)

// gapReason is why a client could not be given events.
type gapReason uint8

const (
	// gapAway: the client was away for longer than the log holds.
	gapAway gapReason = iota
	// gapWindow: a bound of the log had evicted part of the window before the
	// client came.
	gapWindow
	// gapEvicted: events were evicted before the client had read them.
	gapEvicted
	// gapHistory: the database has another history.
	gapHistory
	// gapSource: the source has lost changes, so that nobody is given them.
	gapSource
	// gapLeftOut: one event was too large to be sent.
	gapLeftOut
	gapReasonCount
)

var gapNames = [gapReasonCount]string{"away", "window", "evicted", "history", "source", "left_out"}

// String returns the reason as metrics and logs show it.
func (r gapReason) String() string { return gapNames[r] }

// gap is a stretch of time of which a client is not given every event.
type gap struct {
	reason       gapReason
	since, until time.Time
	conversation string // "" is the whole workspace
	reload       bool
	// sentAt, once the gap was sent: a claim past it proves that it was received.
	sentAt source.Position
	// counted: Stats.Gaps has it already, perhaps for an earlier connection.
	counted bool
}

// gapState is what a client has been, and is still to be, told of its gaps.
type gapState struct {
	// gaps are still to be sent, before anything else.
	gaps []gap
	// sentGaps are the last maxGaps that were sent: they may have been lost with
	// the connection.
	sentGaps []gap
	// lost is replay.Space.Lost at the last check.
	lost uint64
	// covered is the Seq of the replay.Floor up to which a gap of the whole workspace has
	// been noted, from coveredSince on.
	covered      uint64
	coveredSince time.Time
}

// maxGaps bounds the gaps that a client is told of at once; more become one of
// the whole workspace.
const maxGaps = 16

// noteGap notes a gap of a client's, to be sent before anything that follows it. It is
// merged into a gap of the same conversation or of the whole workspace that is still to
// be sent. mu must be held.
func (h *Hub) noteGap(c *Client, g gap) {
	if !g.since.After(time.Unix(0, 0)) {
		g.since = time.Time{} // not known
	}
	for i := range c.gaps {
		if p := &c.gaps[i]; p.conversation == g.conversation || p.conversation == "" {
			p.merge(g)
			return
		}
	}
	if !g.counted {
		h.countGap(c, g)
		g.counted = true
	}
	c.gaps = append(c.gaps, g)
	if c.awaiting != nil {
		h.waits.wake(c.awaiting)
	}
	if len(c.gaps) > maxGaps {
		for _, p := range c.gaps[1:] {
			c.gaps[0].merge(p)
		}
		c.gaps[0].conversation = ""
		c.gaps = c.gaps[:1]
	}
}

// countGap counts a gap, and puts a line aside for the log.
func (h *Hub) countGap(c *Client, g gap) {
	h.stats.Gaps[g.reason]++
	if now := time.Now(); now.Sub(h.loggedAt[g.reason]) >= gapLogInterval {
		h.loggedAt[g.reason] = now
		h.toLog = append(h.toLog, loss{gap: g, workspace: c.Workspace})
	}
}

// logGaps logs the gaps that countGap, which runs under mu, has put aside.
func (h *Hub) logGaps() {
	h.lock()
	toLog := h.toLog
	h.toLog = nil
	h.unlock()
	for _, g := range toLog {
		h.opts.Logger.Warn("a client could not be given all that it missed, and is told so; more of the same are only counted",
			"reason", g.reason.String(), "workspace", g.workspace, "since", g.since, "until", g.until)
	}
}

// gapLogInterval is how often a gap of the same reason is logged at most.
const gapLogInterval = time.Minute

// merge widens a gap by another one.
func (g *gap) merge(p gap) {
	if p.since.Before(g.since) {
		g.since = p.since
	}
	if p.until.After(g.until) {
		g.until = p.until
	}
	g.reload = g.reload || p.reload
}

// gapOffset returns the offset, as a JSON string, for the gap events of a new client that
// has been given nothing: the position before the first event that it will be given. By
// that offset the client proves at its next connection that it was told. The result is
// nil for any other client. mu must be held.
func (h *Hub) gapOffset(c *Client) []byte {
	if c.live || c.everything || c.unproven() || slices.ContainsFunc(c.gaps, func(g gap) bool { return g.conversation != "" }) || !c.main.Position.IsZero() || c.history != h.history {
		return nil
	}
	before := h.log.First(c.tenant.space, min(c.main.Next, c.firstUnread()))
	before.Index--
	if before.Compare(c.claim.Position) <= 0 {
		return nil
	}
	c.claim = Offset{Position: before, Commit: c.promised}
	return append(AppendOffset([]byte{'"'}, c.claim), '"')
}

// packet is the event that tells of the gap, with an offset unless that is nil.
func (g *gap) packet(offset []byte) *socketio.Packet {
	payload := struct {
		Since        string `json:"since,omitempty"`
		Until        string `json:"until"`
		Conversation string `json:"conversationId,omitempty"`
		Reload       bool   `json:"reload,omitempty"`
	}{Until: ContractTime(g.until.Add(time.Millisecond)), Conversation: g.conversation, Reload: g.reload}
	if !g.since.IsZero() {
		payload.Since = ContractTime(g.since)
	}
	text, _ := json.Marshal(payload) // strings and a bool can be encoded
	if offset != nil {
		return socketio.NewEvent(Namespace, GapEvent, text, offset)
	}
	return socketio.NewEvent(Namespace, GapEvent, text)
}

// appendGaps appends the events that tell a client of its gaps. mu must be held.
func (h *Hub) appendGaps(c *Client, buf []*socketio.Packet) []*socketio.Packet {
	at := c.claim.Position // a gap event with an offset is proved by its own
	offset := h.gapOffset(c)
	if offset == nil {
		at = h.proof(c)
	}
	for _, g := range c.gaps {
		buf = append(buf, g.packet(offset))
		g.sentAt = at
		c.sentGaps = append(c.sentGaps, g)
	}
	if over := len(c.sentGaps) - maxGaps; over > 0 {
		c.sentGaps = append(c.sentGaps[:0], c.sentGaps[over:]...)
	}
	c.gaps = nil
	return buf
}

// repeatGaps notes the gaps of a client's prior that the client may not have been told
// of. A claim past gap.sentAt proves that it was.
func (h *Hub) repeatGaps(c, prior *Client) {
	for _, g := range prior.sentGaps {
		if prior.history != h.history || c.claim.Position.Compare(g.sentAt) <= 0 {
			h.noteGap(c, g)
		}
	}
	for _, g := range prior.gaps {
		h.noteGap(c, g)
	}
}

// checkExtent notes what was evicted of an extent before it was read.
func (h *Hub) checkExtent(c *Client, e *extent) {
	space := c.tenant.space
	f := space.ConversationMessages(e.conversation)
	if e.conversation == "" {
		f = space.Messages()
	}
	if f.Seq > max(e.next, e.noted) {
		if e.noted > 0 {
			c.evictions++
		}
		e.noted = f.Seq
		h.noteEvicted(c, e.conversation, e.promised, f)
	}
}

// checkMain notes what was evicted of a client's main feed before it was read.
func (h *Hub) checkMain(c *Client) {
	space := c.tenant.space
	if space.Lost() == c.lost {
		return
	}
	c.lost = space.Lost()
	if space.Missing().Seq > c.main.Next {
		c.evictions++
	}
	since := c.promised
	if c.main.At > 0 {
		since = h.log.TimeOf(c.main.At, time.Now())
	}
	if f := space.Newest(); f.Seq > c.main.Next {
		h.noteEvicted(c, "", since, f)
	}
	if space.Messages().Seq <= c.main.Next {
		return
	}
	if c.seesAll() {
		if c.all.joined {
			h.noteEvicted(c, "", since, space.Messages())
		}
		return
	}
	for conversation, e := range c.subscriptions {
		if f := space.ConversationMessages(conversation); e.joined && f.Seq > c.main.Next {
			h.noteEvicted(c, conversation, since, f)
		}
	}
}

func (h *Hub) noteEvicted(c *Client, conversation string, since time.Time, f replay.Floor) {
	g := gap{reason: gapEvicted, conversation: conversation, since: since, until: h.log.TimeOf(f.At, time.Now())}
	if g.until.Before(g.since) {
		if g.since.Sub(g.until) <= replay.MarkEvery {
			return // older than what was promised
		}
		g.since, since = g.until, g.until // since came from an offset, by the database's clock
	}
	if f.Seq <= c.covered && !since.Before(c.coveredSince) {
		return // it has been noted as part of a larger one
	}
	if c.history != h.history {
		g.reason, g.reload = gapHistory, true
	}
	h.noteMissing(c, g)
}

// covered returns g, a gap of the whole workspace up to a floor, and remembers it:
// noteEvicted then leaves out what lies within it.
func (h *Hub) covered(c *Client, g gap, f replay.Floor) gap {
	c.covered, c.coveredSince = f.Seq, g.since
	return g
}
