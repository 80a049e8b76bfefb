package history

import (
	"slices"
	"time"

	"chatbridge/source"
)

// examined is a History prepared for the validators.
type examined struct {
	*Judge
	h *History
	// connections in order; arrivals one for each Receive but gaps.
	connections []*connection
	arrivals    []arrival
	gapReports  []gapReport
	// idle are the times that do not count: Truth.Outages and History.Stalled.
	idle []Span
	// first is the first arrival of an event, by its place in the truth; of are
	// the arrivals of each subject.
	first map[int]int
	of    map[subject][]arrival
}

// arrival is one event received: entry leads to the History, event to the
// truth (-1: not in it), restates to the message with whose first status it came from
// the tables (-1: with none), connection to connections (-1: none was open).
type arrival struct{ entry, event, restates, connection int }

// gapReport is one gap reported to the client.
type gapReport struct {
	entry int
	gap   *Gap
	at    time.Time
}

// connection is the time from a Connect to its end.
type connection struct {
	number      int
	first, last int // entries
	from, to    time.Time
	// lasted: the client was connected when the recording ended, and
	// nothing was left to come.
	lasted    bool
	recovered bool
	// offset is, of a recovered one, the place in the truth up to which the
	// client has everything; -1 otherwise.
	offset int
	floor  source.Position
	// caughtUp is until when events may take the place of older ones.
	caughtUp time.Time
	noPast   bool // nothing from before it is sent
	phases   []*phase
	// count is of arrivals, by place in the truth: under one name, of several
	// the one that came most often.
	count map[int]int
	under map[named]int
}

// named is an event, by its place in the truth, under one of its names.
type named struct {
	event int
	id    string
}

// why is how a phase began.
type why uint8

const (
	byConnect   why = iota // a new session without subscriptions
	bySubscribe            // a conversation that the client had not asked for
	byReopening            // the last subscription was cancelled
	byResuming             // a restored session
)

// phase is a time in which a client could see the messages of a conversation,
// or, with an empty one, of all.
type phase struct {
	why          why
	conversation string
	entry        int
	from, to     time.Time
	lasted       bool
	floor        source.Position
}

func (j *Judge) examine(h *History) *examined {
	c := &examined{
		Judge: j, h: h, first: make(map[int]int), of: make(map[subject][]arrival),
		idle: slices.Concat(j.truth.Outages, h.Stalled),
	}
	slices.SortFunc(c.idle, func(a, b Span) int { return a.From.Compare(b.From) })
	var open *connection
	subscribed := map[string]bool{}
	unanswered := map[string]bool{} // of those: what the server may not have
	for i := range h.Entries {
		e := &h.Entries[i]
		switch e.Op {
		case Connect:
			if open != nil {
				open.end(i, e.At, false)
			}
			for conversation := range subscribed {
				if !e.Recovered || unanswered[conversation] {
					delete(subscribed, conversation)
				}
			}
			clear(unanswered)
			open = c.connect(i, subscribed)
		case Disconnect:
			if open != nil {
				open.end(i, e.At, false)
				open = nil
			}
		case Subscribe:
			if open != nil && !subscribed[e.Conversation] {
				open.subscribe(i, e, len(subscribed) == 0)
				subscribed[e.Conversation] = true
				unanswered[e.Conversation] = e.Unanswered
			}
		case Unsubscribe:
			if open != nil && subscribed[e.Conversation] {
				delete(subscribed, e.Conversation)
				delete(unanswered, e.Conversation)
				open.unsubscribe(i, e, len(subscribed) == 0)
			}
		case CaughtUp:
			if open != nil && open.caughtUp.After(e.At) {
				open.caughtUp = e.At
			}
		case Receive:
			c.receive(i, e, open)
		}
	}
	if open != nil {
		open.end(len(h.Entries), h.End, h.Drained)
	}
	return c
}

func (c *examined) connect(i int, subscribed map[string]bool) *connection {
	e := &c.h.Entries[i]
	n := &connection{
		number: len(c.connections), first: i, from: e.At, recovered: e.Recovered, offset: -1,
		floor: e.Floor, noPast: e.NoPast, caughtUp: e.At.Add(c.bounds.CatchUp), count: make(map[int]int),
		under: make(map[named]int),
	}
	c.connections = append(c.connections, n)
	begin := byConnect
	if e.Recovered {
		n.offset, begin = c.placeOf(e.Offset, e.At), byResuming
	}
	if len(subscribed) == 0 {
		n.begin(&phase{why: begin, entry: i, from: e.At, floor: e.Floor})
	}
	for conversation := range subscribed {
		n.begin(&phase{why: begin, conversation: conversation, entry: i, from: e.At})
	}
	return n
}

// placeOf is the place in the truth of the last event not past an offset.
func (c *examined) placeOf(offset source.Position, now time.Time) int {
	for _, i := range slices.Backward(c.at[offset]) {
		if !c.truth.Events[i].At.After(now) {
			return i
		}
	}
	for i := len(c.truth.Events) - 1; i >= 0; i-- {
		if ev := &c.truth.Events[i]; !ev.At.After(now) && ev.Position.Compare(offset) <= 0 {
			return i
		}
	}
	return -1
}

func (n *connection) begin(p *phase) { n.phases = append(n.phases, p) }

// stop ends the phase of a conversation that has not ended.
func (n *connection) stop(conversation string, at time.Time) {
	for _, p := range n.phases {
		if p.conversation == conversation && p.to.IsZero() {
			p.to = at
		}
	}
}

func (n *connection) subscribe(i int, e *Entry, first bool) {
	if first {
		n.stop("", e.At)
	}
	n.begin(&phase{why: bySubscribe, conversation: e.Conversation, entry: i, from: e.At, floor: e.Floor})
}

func (n *connection) unsubscribe(i int, e *Entry, last bool) {
	n.stop(e.Conversation, e.At)
	if last {
		n.begin(&phase{why: byReopening, entry: i, from: e.At})
	}
}

func (n *connection) end(i int, at time.Time, lasted bool) {
	n.last, n.to, n.lasted = i, at, lasted
	for _, p := range n.phases {
		if p.to.IsZero() {
			p.to, p.lasted = at, lasted
		}
	}
}

func (c *examined) receive(i int, e *Entry, open *connection) {
	if e.Kind == GapEvent {
		if e.Gap != nil {
			c.gapReports = append(c.gapReports, gapReport{i, e.Gap, e.At})
		}
		return
	}
	a := arrival{entry: i, event: -1, restates: -1, connection: -1}
	if open != nil {
		a.connection = open.number
	}
	a.event = c.match(e, open)
	if a.event >= 0 {
		if _, ok := c.first[a.event]; !ok {
			c.first[a.event] = len(c.arrivals)
		}
		if open != nil && !c.isReadBack(e) {
			n := named{a.event, e.As.ID}
			open.under[n]++
			open.count[a.event] = max(open.count[a.event], open.under[n])
		}
		s := c.subject(a.event)
		c.of[s] = append(c.of[s], a)
	}
	if a.event < 0 {
		a.restates = c.restated(e)
	}
	c.arrivals = append(c.arrivals, a)
}

// match finds what an entry received is in the truth: of several that say the
// same, the oldest that this connection has not had, one that was undone only where no
// other had been committed by then: who wrote it may have written it again.
func (c *examined) match(e *Entry, open *connection) int {
	if e.Kind == Conversation && !e.Position.IsZero() {
		later := -1
		for _, i := range slices.Backward(c.at[e.Position]) {
			switch ev := &c.truth.Events[i]; {
			case ev.Kind != e.Kind || ev.Conversation != e.Conversation:
			case !ev.At.After(e.At):
				return i
			case later < 0: // at a place that was used again, perhaps after this came
				later = i
			}
		}
		if later >= 0 {
			return later
		}
	}
	places := c.found[key{e.Kind, e.Conversation, e.Message, e.Status, e.Position}]
	if len(places) == 0 && !e.Position.IsZero() {
		// A truth without positions knows events by what they say.
		places = c.found[key{e.Kind, e.Conversation, e.Message, e.Status, source.Position{}}]
		if len(places) > 0 && !c.truth.Events[places[0]].Position.IsZero() && !c.isReadBack(e) {
			return -1
		}
	}
	if len(places) == 0 {
		return -1
	}
	if open == nil {
		return places[len(places)-1]
	}
	undone := -1
	for _, p := range places {
		ev := &c.truth.Events[p]
		switch {
		case open.under[named{p, e.As.ID}] > 0 || ev.Workspace != c.h.Workspace:
		case ev.Undone:
			if undone < 0 {
				undone = p
			}
		case undone < 0 || !ev.At.Truncate(time.Millisecond).After(e.At): // clients know milliseconds
			return p
		}
	}
	if undone >= 0 {
		return undone
	}
	return places[len(places)-1]
}

// isReadBack reports whether what was received was read back from the tables: it says
// what they had then, which may be ahead of the stream, and comes beside what the
// stream repeats.
func (c *examined) isReadBack(e *Entry) bool {
	return c.truth.ReadBack && (e.Position.IsZero() || !c.commits[e.Position.Commit])
}

// active is the part of the time between from and to in which the source
// flowed and the client read.
func (c *examined) active(from, to time.Time) time.Duration {
	total := to.Sub(from)
	if total <= 0 {
		return 0
	}
	at := from
	for _, s := range c.idle {
		start, end := later(s.From, at), earlier(s.To, to)
		if end.After(start) {
			total -= end.Sub(start)
			at = end
		}
	}
	return total
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}
