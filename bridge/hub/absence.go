package hub

import (
	"context"
	"errors"
	"time"

	"chatbridge/bridge/replay"
	"chatbridge/internal/retry"
	"chatbridge/socketio"
)

// Tables are the database's tables, from which the Hub reads what its log does not hold
// any more. Read sends the rows of one workspace, at their present state, as packets
// without offsets: messages of the asked conversations, oldest first, then the
// statuses of these conversations' newest messages, then the conversations that
// changed. send waits for the client; Read must not use the packets afterwards. Read
// ends when ctx does. Where there is too much to send, Read sends the newest and reports
// the rest: to ask.LeftOut before it sends what follows, or else as its result. After an
// error, part of what was asked may have been sent. Read is called from many goroutines,
// never under the Hub's lock.
type Tables interface {
	Read(ctx context.Context, ask *FarAsk, send func([]FarPacket) error) (rest []FarRest, err error)
}

// ErrTablesOff is wrapped by Read's error where clients are never caught up from the
// tables. The Hub neither logs nor counts it: the Tables have told why already.
var ErrTablesOff = errors.New("clients are not caught up from the tables")

// FarPacket is one event of a row.
type FarPacket struct {
	*socketio.Packet
	// Other is the id by which ChatEngine names a message, "" if the packet has that id
	// or it is not known; Created is when the row was created, in microseconds since 1970.
	Other   string
	Created int64
}

// FarAsk is what one client lacks of one workspace.
type FarAsk struct {
	Workspace string
	// Conversations asks for the workspace's conversations that changed since then,
	// Messages for the messages of all conversations since then; zero asks for none.
	Conversations, Messages time.Time
	// Of asks for the messages of single conversations, each since its time.
	Of map[string]time.Time
	// Until ends the time of the messages asked for: the log has those that were
	// published later. It is by this process's clock.
	Until time.Time
	// Fresh is the earliest time at which reading may have begun: the client has been
	// given what was committed before, and must not be given an older state after it.
	// Zero: the client has been given nothing.
	Fresh time.Time
	// LeftOut is told what a Read leaves out; nil for nobody. Its error is that of sending.
	LeftOut func([]FarRest) error
}

// FarRest is what a Read left out.
type FarRest struct {
	Conversation string // "" is the whole workspace
	Since, Until time.Time
}

// absenceState is what the log could not give a client, to be read from the tables.
type absenceState struct {
	// absences are still to be made up for, before anything else is sent.
	absences []gap
	// healing are those that are being made up for now; cancel stops reading them.
	healing []gap
	cancel  context.CancelFunc
	// away is the client's absence before it connected, if the log does not reach back
	// to its beginning: the client has missed that time of whatever it subscribes to now.
	// Nil for none; the gap is never changed.
	away *gap
	// evictions counts how often entries were evicted before the client had read them,
	// since it was last live.
	evictions int32
	// resumed: its session was restored.
	resumed bool
}

// maxEvictions is how often eviction may overtake a client that does not go live in
// between, before it is told of a gap. It bounds what a client that reads too slowly
// costs.
const maxEvictions = 3

// noteMissing notes what the log cannot give a client: as an absence if it can be read
// from the tables, else as a gap. mu must be held.
func (h *Hub) noteMissing(c *Client, g gap) {
	if h.opts.Far == nil || g.reload || g.since.IsZero() || c.evictions >= maxEvictions {
		h.noteGap(c, g)
		return
	}
	for i := range c.absences {
		if p := &c.absences[i]; p.conversation == g.conversation || p.conversation == "" {
			p.merge(g)
			return
		}
	}
	c.absences = append(c.absences, g)
}

// noteAway notes an absence that ended when the client connected.
func (h *Hub) noteAway(c *Client, g gap) {
	h.noteMissing(c, g)
	if len(c.absences) > 0 {
		away := c.absences[0]
		c.away = &away
	}
}

// continueAway has a client go on with the absence of a prior that was connected only
// briefly: it may not have made all of its subscriptions in that time.
func (c *Client) continueAway(prior *Client) {
	if prior.left.Sub(prior.attached) <= replay.Slack/2 {
		c.away = prior.away
	}
}

// noteSubscribed notes what a client that has just connected missed of a conversation
// to which it subscribes, while it was away. mu must be held.
func (h *Hub) noteSubscribed(c *Client, e *extent) {
	if c.away == nil || time.Since(c.attached) > replay.Slack/2 {
		return
	}
	g := *c.away
	g.conversation = e.conversation
	h.noteMissing(c, g)
}

// lacks tells that something is to be sent before what comes from the log.
func (c *Client) lacks() bool { return len(c.gaps)+len(c.absences) > 0 }

// unproven tells that an offset would not prove that the client had received what it
// missed while away.
func (c *Client) unproven() bool {
	return len(c.absences)+len(c.healing) > 0 || c.away != nil
}

// beginHealing moves the client's absences to healing, and notes as a gap the part of
// each that is older than Options.FarLimit. mu must be held.
func (h *Hub) beginHealing(c *Client) {
	oldest := time.Now().Add(-h.opts.FarLimit)
	for _, g := range c.absences {
		if g.since.Before(oldest) {
			rest := g
			rest.until = minTime(g.until, oldest)
			h.noteGap(c, rest)
			if g.since = oldest; g.until.Before(oldest) {
				continue // all of it is too old; the log has what came later
			}
		}
		c.healing = append(c.healing, g)
		if g.conversation == "" {
			// What has been evicted by now will be read from the tables.
			c.lost = c.tenant.space.Lost()
		}
	}
	c.absences = nil
	if !c.resumed && len(c.healing) > 0 {
		// The tables have the present states, which superseded ones from the log must not
		// follow. A restored session is promised all events, superseded ones too.
		c.everything = false
	}
}

// farAsk returns what is to be read for the client's healing. mu must be held.
func (h *Hub) farAsk(c *Client) *FarAsk {
	ask := &FarAsk{Workspace: c.Workspace, Of: make(map[string]time.Time), Fresh: c.fed}
	if c.live {
		ask.Fresh = time.Now()
	}
	if f := c.tenant.space.Missing(); f.At > 0 {
		ask.Until = h.log.TimeOf(f.At, time.Now())
	}
	for _, g := range c.healing {
		if g.until.After(ask.Until) {
			ask.Until = g.until
		}
	}
	for _, g := range c.healing {
		if g.conversation == "" {
			ask.Conversations = earlier(ask.Conversations, g.since)
			if c.seesAll() {
				h.askExtent(c, ask, &c.all, g)
			}
			for _, e := range c.subscriptions {
				h.askExtent(c, ask, e, g)
			}
		} else if e := c.subscriptions[g.conversation]; e != nil {
			h.askExtent(c, ask, e, g)
		}
	}
	for i := range c.healing {
		c.healing[i].until = ask.Until // becomes a gap if reading fails
	}
	return ask
}

// askExtent asks for the messages of an extent since the client's absence began, or
// since the extent was promised if that is earlier and the log does not reach back to
// it, so that they come in one order. It asks for nothing if the log has them all.
func (h *Hub) askExtent(c *Client, ask *FarAsk, e *extent, g gap) {
	f := c.tenant.space.ConversationMessages(e.conversation)
	if e.conversation == "" {
		f = c.tenant.space.Messages()
	}
	before := e.promised.Before(g.since)
	switch {
	case !e.joined && f.Seq <= e.next && h.reaches(c, e, f) && (before || e.promised.Equal(g.since)):
		return
	case e.joined || !before:
	case e.promised.After(time.Now().Add(-h.opts.FarLimit)):
		g.conversation, g.since = e.conversation, e.promised
		c.healing = append(c.healing, g)
	}
	if !e.promised.Before(g.since) {
		e.noted = max(e.noted, f.Seq)
	}
	if e.conversation == "" {
		ask.Messages = earlier(ask.Messages, g.since)
	} else {
		ask.Of[e.conversation] = earlier(ask.Of[e.conversation], g.since)
	}
}

// reaches tells that the log has everything of an extent since it was promised. The
// extent's own sequence number does not tell that: it may begin with what the log had
// left.
func (h *Hub) reaches(c *Client, e *extent, f replay.Floor) bool {
	if e.promised.Equal(c.from.Commit) {
		return !f.Above(c.from.Position)
	}
	now := time.Now()
	start := h.log.TimeOf(0, now) // nothing is known of what was before
	return !e.promised.Before(start) && (f.Seq == 0 || h.log.TimeOf(f.At, now).Before(e.promised))
}

// heal sends a client from the tables what it missed, and notes as gaps what they leave
// out or could not give. An error means that the client is gone, or that the Hub stops.
func (h *Hub) heal(c *Client, socket Socket) error {
	release := h.lockInTurn(c.Workspace)
	ask := h.farAsk(c)
	ctx, cancel := context.WithCancel(h.running)
	defer cancel()
	if c.cancel = cancel; c.gone {
		cancel()
	}
	reason := c.healing[0].reason
	release()
	var sending error
	ask.LeftOut = func(rest []FarRest) error {
		sending = h.tellLeftOut(c, socket, reason, ask.Until, rest)
		return sending
	}
	if err := ask.LeftOut(nil); err != nil { // tells of the gaps that beginHealing noted
		return err
	}
	rest, err := h.opts.Far.Read(ctx, ask, func(packets []FarPacket) error {
		sending = h.sendFar(ctx, c, socket, packets)
		return sending
	})
	if sending != nil {
		return sending
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	h.healed(c, ask.Until, rest, err)
	return nil
}

// sendFar sends packets that were read from the tables, at the rate of
// Shares.CatchUp at most.
func (h *Hub) sendFar(ctx context.Context, c *Client, socket Socket, read []FarPacket) error {
	release := h.lockInTurn(c.Workspace)
	names := c.Names
	release()
	packets := make([]*socketio.Packet, len(read))
	for i, p := range read {
		packets[i] = p.Packet
		if p.Other != "" && names.AppliesToRow(p.Created) {
			packets[i] = replay.Renamed(p.Packet, p.Other)
		}
	}
	release = h.lockInTurn(c.Workspace)
	wait := h.catchUpWait(c.tenant, packets, time.Now())
	h.stats.FarPackets += uint64(len(packets))
	release()
	if wait > 0 {
		if err := retry.Sleep(ctx, wait); err != nil {
			return err
		}
	}
	for _, p := range packets {
		if err := h.sendPaced(c, socket, p); err != nil {
			return err
		}
	}
	return nil
}

// tellLeftOut notes what the tables leave out as gaps, and sends the client all gaps that
// it has not been told of.
func (h *Hub) tellLeftOut(c *Client, socket Socket, reason gapReason, until time.Time, rest []FarRest) error {
	release := h.lockInTurn(c.Workspace)
	h.noteLeftOut(c, reason, until, rest)
	var packets []*socketio.Packet
	if len(c.gaps) > 0 {
		packets = h.appendGaps(c, nil)
	}
	release()
	for _, p := range packets {
		if err := h.sendPaced(c, socket, p); err != nil {
			return err
		}
	}
	return nil
}

// noteLeftOut notes what the tables leave out as gaps. mu must be held.
func (h *Hub) noteLeftOut(c *Client, reason gapReason, until time.Time, rest []FarRest) {
	for _, r := range rest {
		h.noteGap(c, gap{reason: reason, since: r.Since, until: minTime(r.Until, until), conversation: r.Conversation})
	}
}

// healed ends the healing of a client, and notes as gaps what could not be read.
func (h *Hub) healed(c *Client, until time.Time, rest []FarRest, err error) {
	release := h.lockInTurn(c.Workspace)
	was := c.healing
	c.healing, c.cancel = nil, nil
	if c.pace != nil {
		c.pace.begin(time.Now())
	}
	if err == nil {
		h.stats.FarHealed++
		h.noteLeftOut(c, was[0].reason, until, rest)
		release()
		return
	}
	off := errors.Is(err, ErrTablesOff)
	if !off {
		h.stats.FarFailed++
	}
	for _, g := range was {
		h.noteGap(c, g)
		if g.conversation == "" {
			c.away = nil // the gap includes what the client may yet subscribe to
		}
	}
	now := time.Now()
	log := !off && now.Sub(h.farLoggedAt) >= gapLogInterval
	if log {
		h.farLoggedAt = now
	}
	release()
	if log {
		h.opts.Logger.Warn("what a client missed could not be read from the tables, so it is told of a gap; more of the same are only counted",
			"workspace", c.Workspace, "error", err)
	}
}

func earlier(a, b time.Time) time.Time {
	if a.IsZero() || b.Before(a) {
		return b
	}
	return a
}

func minTime(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}
