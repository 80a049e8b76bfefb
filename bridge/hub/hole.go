package hub

import (
	"encoding/json"
	"time"

	"chatbridge/bridge/replay"
	"chatbridge/socketio"
	"chatbridge/source"
)

// Namespace is the Socket.IO namespace of the contract.
const Namespace = "/"

// GapEvent tells a client that something could not be made up for: {since?, until, conversationId?, reload?}. The times bound
// when it was published; since is left out where it is not known. With a
// conversationId it concerns that conversation alone. reload tells that history
// itself is another one: what the client shows may no longer exist. It comes
// before whatever follows the hole, so that a client which received a later offset
// has been told.
const GapEvent = "gap"

// holeReason is why a client could not be given something.
type holeReason uint8

const (
	// holeAway: it was away for longer than the log holds.
	holeAway holeReason = iota
	// holeWindow: a bound of the log had evicted part of the window before it
	// came.
	holeWindow
	// holeEvicted: it was evicted before the client had read it.
	holeEvicted
	// holeHistory: the database has another history.
	holeHistory
	// holeSource: the source has lost it for everybody.
	holeSource
	// holeLeftOut: one event was too large to be sent.
	holeLeftOut
	holeReasons
)

var holeNames = [holeReasons]string{"away", "window", "evicted", "history", "source", "left_out"}

// String returns the reason as metrics and logs show it.
func (r holeReason) String() string { return holeNames[r] }

// hole is something that a client is not given.
type hole struct {
	reason       holeReason
	since, until time.Time
	conversation string // "" is the whole workspace
	reload       bool
	// told is where the client's main feed was when it was told.
	told source.Position
}

// maxHoles bounds what a client is told at once by conversation; more become one
// of the whole workspace.
const maxHoles = 16

// hole notes a hole of a client's, to be told before anything that follows it. It is counted once until it has been told. mu must be held.
func (h *Hub) hole(c *Client, o hole) {
	for i := range c.holes {
		if p := &c.holes[i]; p.conversation == o.conversation || p.conversation == "" {
			p.merge(o)
			return
		}
	}
	h.stats.Holes[o.reason]++
	if now := time.Now(); now.Sub(h.said[o.reason]) >= logAgain {
		h.said[o.reason] = now
		h.unsaid = append(h.unsaid, loss{hole: o, workspace: c.Workspace})
	}
	c.holes = append(c.holes, o)
	if len(c.holes) > maxHoles {
		for _, p := range c.holes[1:] {
			c.holes[0].merge(p)
		}
		c.holes[0].conversation = ""
		c.holes = c.holes[:1]
	}
}

// say logs the holes that are to be logged: not where they are found, which is
// under mu.
func (h *Hub) say() {
	h.lock()
	unsaid := h.unsaid
	h.unsaid = nil
	h.unlock()
	for _, o := range unsaid {
		h.opts.Logger.Warn("a client could not be given all that it missed, and is told so; more of the same are only counted",
			"reason", o.reason.String(), "workspace", o.workspace, "since", o.since, "until", o.until)
	}
}

// logAgain is how long a hole of the same reason is not logged again.
const logAgain = time.Minute

// merge widens a hole by another one.
func (o *hole) merge(p hole) {
	if p.since.Before(o.since) {
		o.since = p.since
	}
	if p.until.After(o.until) {
		o.until = p.until
	}
	o.reload = o.reload || p.reload
}

// toldUpTo returns the offset of the events that tell a new client of its holes
// before it has been given anything: the place before the first event that it is
// given. It is told once, then, and not again at each later connection. Nil where
// there is none. mu must be held.
func (h *Hub) toldUpTo(c *Client) []byte {
	if c.live || c.everything || !c.main.Position.IsZero() || c.history != h.history {
		return nil
	}
	before := h.log.First(c.tenant.space, min(c.main.Next, c.lowest()))
	before.Index--
	if before.Compare(c.claim.Position) <= 0 {
		return nil
	}
	c.claim = Offset{Position: before, Commit: c.promised}
	return append(AppendOffset([]byte{'"'}, c.claim), '"')
}

// packet is the event that tells of the hole, with an offset unless that is nil.
func (o *hole) packet(offset []byte) *socketio.Packet {
	payload := struct {
		Since        string `json:"since,omitempty"`
		Until        string `json:"until"`
		Conversation string `json:"conversationId,omitempty"`
		Reload       bool   `json:"reload,omitempty"`
	}{Until: ContractTime(o.until.Add(time.Millisecond)), Conversation: o.conversation, Reload: o.reload}
	if !o.since.IsZero() {
		payload.Since = ContractTime(o.since)
	}
	text, _ := json.Marshal(payload) // strings and a bool can be encoded
	if offset != nil {
		return socketio.NewEvent(Namespace, GapEvent, text, offset)
	}
	return socketio.NewEvent(Namespace, GapEvent, text)
}

// ContractTime prints a time as JavaScript's toISOString does.
func ContractTime(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }

// tellHoles appends the events that tell a client of its holes. mu must be held.
func (h *Hub) tellHoles(c *Client, buf []*socketio.Packet) []*socketio.Packet {
	at := c.claim.Position // what carries an offset proves itself
	offset := h.toldUpTo(c)
	if offset == nil {
		at = h.proof(c)
	}
	for _, o := range c.holes {
		buf = append(buf, o.packet(offset))
		o.told = at
		c.told = append(c.told, o)
	}
	if over := len(c.told) - maxHoles; over > 0 {
		c.told = append(c.told[:0], c.told[over:]...)
	}
	c.holes = nil
	return buf
}

// tellAgain notes the holes of a client's prior of which it is not known that
// they were told: an offset past the place where they were tells that.
func (h *Hub) tellAgain(c, prior *Client) {
	for _, o := range prior.told {
		if prior.history != h.history || c.claim.Position.Compare(o.told) <= 0 {
			h.hole(c, o)
		}
	}
	for _, o := range prior.holes {
		h.hole(c, o)
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
		e.noted = f.Seq
		h.lostTo(c, e.conversation, e.promised, f)
	}
}

// checkMain notes what was evicted of a client's main feed before it was read.
func (h *Hub) checkMain(c *Client) {
	space := c.tenant.space
	if space.Lost() == c.lost {
		return
	}
	c.lost = space.Lost()
	since := c.promised
	if c.main.At > 0 {
		since = h.log.TimeOf(c.main.At, time.Now())
	}
	if f := space.Newest(); f.Seq > c.main.Next {
		h.lostTo(c, "", since, f)
	}
	if space.Messages().Seq <= c.main.Next {
		return
	}
	if c.open {
		if c.all.joined {
			h.lostTo(c, "", since, space.Messages())
		}
		return
	}
	for conversation, e := range c.subscriptions {
		if f := space.ConversationMessages(conversation); e.joined && f.Seq > c.main.Next {
			h.lostTo(c, conversation, since, f)
		}
	}
}

func (h *Hub) lostTo(c *Client, conversation string, since time.Time, f replay.Floor) {
	o := hole{reason: holeEvicted, conversation: conversation, since: since, until: h.log.TimeOf(f.At, time.Now())}
	if o.until.Before(o.since) {
		return // older than what was promised
	}
	if f.Seq <= c.covered && !since.Before(c.coveredSince) {
		return // it has been noted as part of a larger one
	}
	if c.history != h.history {
		o.reason, o.reload = holeHistory, true
	}
	h.hole(c, o)
}
