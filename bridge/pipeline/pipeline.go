package pipeline

import (
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"chatbridge/bridge/hub"
	"chatbridge/internal/histogram"
	"chatbridge/internal/retry"
	"chatbridge/mapping"
	"chatbridge/mapping/contract"
	"chatbridge/mapping/engine"
	"chatbridge/socketio"
	"chatbridge/source"
)

// Pipeline is the source.Handler of the daemon: it maps each change and
// publishes its events. A source uses it from one goroutine; Stats may be
// called from any. Its timer does nothing once the Hub's Run has returned.
type Pipeline struct {
	hub *hub.Hub
	log *slog.Logger

	// mu guards all up to delay, which the source's goroutine and the timer's use.
	mu      sync.Mutex
	mapper  *engine.Mapper
	tx      source.Tx
	open    bool   // tx is being read
	offset  []byte // the offset argument, a JSON string
	names   Names
	renamed []byte    // a message's payload under another id
	event   hub.Event // used by put; neither Hub nor replica keeps it
	// gapped: no new transaction has begun since the latest Gap, which is gap: positions may
	// restart.
	gapped     bool
	gap        source.Gap
	correction correction
	members    members
	observe    func(*contract.Event)
	// replica is given what the Hub is given; nil for none. idle: another bridge feeds the
	// Hub, so corrections are not published here. After such a time, transactions up to
	// rereadTo are read again.
	replica  Replica
	idle     bool
	rereadTo uint64
	// follower is nil if no transaction is timed, passage if the present one is not.
	follower Follower
	passage  *Passage

	delay   *histogram.Histogram
	gaps    atomic.Uint64
	lastGap atomic.Pointer[source.Gap]
}

// New returns a Pipeline that maps as spec says and publishes to hub. It replaces
// opts.LeftOut.
func New(spec *mapping.Spec, opts engine.Options, hub *hub.Hub, log *slog.Logger) *Pipeline {
	p := &Pipeline{hub: hub, log: log, delay: histogram.New(delayLayout), correction: correction{backoff: retry.Backoff{Min: correctMin, Max: correctMax}}}
	opts.LeftOut = p.leftOut
	p.mapper = engine.New(spec, opts)
	return p
}

// Names tells under which id a message goes to clients. A messageStatus goes under each.
type Names uint8

const (
	// RowIDs: the id of the mapping, the key of the row.
	RowIDs Names = iota
	// ChatEngineIDs: the id by which ChatEngine names the message, where that is known.
	ChatEngineIDs
	// ClientsIDs: the id that the Hub finds for each client.
	ClientsIDs
)

// NameMessages sets under which id messages go; RowIDs unless it is called. Call it
// before the Pipeline is used.
func (p *Pipeline) NameMessages(n Names) { p.names = n }

// Observe has f called with each event before it is published. f must not wait, nor keep
// anything of the event. Call it before the Pipeline is used.
func (p *Pipeline) Observe(f func(*contract.Event)) { p.observe = f }

// Replica is given all that the Hub is given. It is called from the goroutine of the
// source or of a correction, one call at a time, and must not wait.
type Replica interface {
	Begin(tx source.Tx)
	Published(ev *hub.Event, now time.Time)
	LeftOut(workspace, conversation []byte, commit time.Time)
	Gap(since, until time.Time, reason string)
	Restart(since, until, began time.Time)
}

// Replicate has r given all that the Hub is given. Call it before the source runs.
func (p *Pipeline) Replicate(r Replica) { p.replica = r }

// Rest ends corrections and forgets the open transaction: another bridge feeds the Hub
// until Resume.
func (p *Pipeline) Rest() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.idle {
		return
	}
	p.idle, p.open, p.gapped, p.correction.due, p.passage = true, false, false, false, nil
	p.mapper.Forget()
}

// Resume lets the source feed the Hub again, perhaps first with transactions that the Hub
// already has.
func (p *Pipeline) Resume() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.idle, p.rereadTo = false, p.hub.Head().Commit
}

// Begin begins a transaction.
func (p *Pipeline) Begin(tx source.Tx) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.tx, p.open = tx, true
	p.beginPassage(tx)
	if p.replica != nil {
		p.replica.Begin(tx)
	}
	if p.gapped && tx.Commit <= p.hub.Head().Commit && tx.Commit > p.rereadTo {
		p.log.Warn("the database has another history now; what was kept for catching up is dropped")
		p.restart()
	}
	p.gapped = p.gapped && tx.Commit <= p.rereadTo
	p.mapper.Begin(tx)
	return nil
}

// restart begins another history in the Hub, with the latest gap as the time that
// clients are told of.
func (p *Pipeline) restart() {
	p.hub.Restart(p.gap.Since, p.gap.Until, p.tx.Time)
	if p.rereadTo = 0; p.replica != nil {
		p.replica.Restart(p.gap.Since, p.gap.Until, p.tx.Time)
		p.replica.Begin(p.tx)
	}
}

// Change maps one row and publishes the events that need no other rows.
func (p *Pipeline) Change(c *source.Change) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.members.change(c)
	return p.mapper.Change(c, p.publish)
}

// Commit publishes what is left of the transaction. Its return is the
// acknowledgement: all of the transaction's events are in the log and in the
// queues of those that may see them.
func (p *Pipeline) Commit(source.Tx) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := p.mapper.Commit(p.publish); err != nil {
		return err
	}
	p.open = false
	p.endPassage()
	p.logLookups()
	if p.correction.due {
		return p.correct()
	}
	p.correctLater()
	return nil
}

// Gap logs what the source has lost and has the Hub tell the clients. The mapper
// forgets what it remembers, because rows may have changed unseen. A loss in one
// workspace is told to that workspace's clients alone. A loss that is read back is told
// to nobody, unless clients must reload.
func (p *Pipeline) Gap(g source.Gap) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	announced := !g.ReadBack || g.Reload
	if announced {
		p.gaps.Add(1)
	}
	if g.Workspace != "" {
		// One row is lost: all else goes on, and the source has logged the loss.
		p.hub.LeftOut([]byte(g.Workspace), []byte(g.Conversation), g.Since)
		if p.replica != nil {
			p.replica.LeftOut([]byte(g.Workspace), []byte(g.Conversation), g.Since)
		}
		return nil
	}
	p.gapped, p.gap, p.open, p.correction.due, p.passage = true, g, false, false, nil
	p.mapper.Forget()
	p.members.gap()
	if !announced {
		return nil
	}
	p.lastGap.Store(&g)
	attrs := []any{"reason", g.Reason, "until", g.Until.UTC()}
	if !g.Since.IsZero() {
		attrs = append(attrs, "since", g.Since.UTC())
	}
	p.log.Error("changes were lost; clients see what happened meanwhile after a reload", attrs...)
	if g.Reload {
		p.hub.Restart(g.Since, g.Until, g.Until)
		p.rereadTo = 0
	} else {
		p.hub.Gap(g.Since, g.Until, false)
	}
	switch {
	case p.replica == nil:
	case g.Reload:
		p.replica.Restart(g.Since, g.Until, g.Until)
	default:
		p.replica.Gap(g.Since, g.Until, g.Reason)
	}
	return nil
}

// leftOut tells the workspace's clients of an event that was too large to be sent.
func (p *Pipeline) leftOut(workspace, conversation []byte, _ contract.Kind) {
	p.hub.LeftOut(workspace, conversation, p.tx.Time)
	if p.replica != nil {
		p.replica.LeftOut(workspace, conversation, p.tx.Time)
	}
}

// publish publishes a mapped event and counts its delay.
func (p *Pipeline) publish(ev *contract.Event) error {
	at := p.put(ev)
	if !p.again(p.tx) {
		p.delay.Observe(at.Sub(p.tx.Time))
	}
	return nil
}

// again tells that a transaction was published before: it only fills the log, so its age
// says nothing about the delay of events.
func (p *Pipeline) again(tx source.Tx) bool { return tx.Again || tx.Commit <= p.rereadTo }

// put makes a packet of an event, hands it to the Hub and returns when it did. All events
// but typing, which is not repeated, carry their Offset as the last argument: the offset
// of Socket.IO's connection-state recovery.
func (p *Pipeline) put(ev *contract.Event) time.Time {
	if p.observe != nil {
		p.observe(ev)
	}
	position := source.Position{Commit: p.tx.Commit, Index: ev.Index}
	payload := ev.Payload
	if p.names == ChatEngineIDs && len(ev.Other) > 0 {
		p.renamed = contract.Renamed(p.renamed[:0], payload, ev.Other)
		payload = p.renamed
		defer p.shrink()
	}
	var packet *socketio.Packet
	if ev.Kind == contract.Typing {
		packet = socketio.NewEvent(hub.Namespace, ev.Kind.String(), ev.Payload)
	} else {
		p.offset = append(p.offset[:0], '"')
		p.offset = hub.AppendOffset(p.offset, hub.Offset{Position: position, Commit: p.tx.Time})
		p.offset = append(p.offset, '"')
		packet = socketio.NewEvent(hub.Namespace, ev.Kind.String(), payload, p.offset)
	}
	now := time.Now()
	var timed *PassageEvent
	if p.passage != nil {
		if timed = p.passage.watch(ev.Kind, now); timed != nil {
			packet.Watch(timed.Written)
		}
	}
	e := &p.event
	*e = hub.Event{
		Position: position, Kind: ev.Kind, Workspace: ev.Workspace,
		Conversation: ev.Conversation, Message: ev.Key, Of: ev.Of, Packet: packet, Commit: p.tx.Time,
	}
	if p.names == ClientsIDs {
		e.Other, e.Again, e.Created = ev.Other, ev.Again, ev.Created
	}
	p.hub.Publish(e, now)
	if p.replica != nil {
		p.replica.Published(e, now)
	}
	if timed != nil {
		timed.Logged = time.Now()
	}
	return now
}

// keepBuffer is the size in bytes up to which the buffer renamed is kept for reuse.
const keepBuffer = 1 << 20

func (p *Pipeline) shrink() {
	if cap(p.renamed) > keepBuffer {
		p.renamed = nil
	}
}
