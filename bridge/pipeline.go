package bridge

import (
	"log/slog"
	"sync/atomic"
	"time"

	"chatbridge/bridge/hub"
	"chatbridge/mapping"
	"chatbridge/socketio"
	"chatbridge/source"
)

// Namespace is the Socket.IO namespace of the contract.
const Namespace = "/"

// Pipeline is the source.Handler of the daemon: it maps each change and
// publishes its events. A source uses it from one goroutine; Stats may be
// called from any.
type Pipeline struct {
	mapper *mapping.Mapper
	hub    *hub.Hub
	log    *slog.Logger

	tx     source.Tx
	offset []byte // the offset argument, a JSON string
	// gapped: a Gap was reported, after which positions may begin anew.
	gapped bool

	delay   histogram
	gaps    atomic.Uint64
	lastGap atomic.Pointer[source.Gap]
}

// NewPipeline returns the Pipeline from mapper to hub.
func NewPipeline(mapper *mapping.Mapper, hub *hub.Hub, log *slog.Logger) *Pipeline {
	return &Pipeline{mapper: mapper, hub: hub, log: log}
}

// Begin begins a transaction.
func (p *Pipeline) Begin(tx source.Tx) error {
	p.tx = tx
	if p.gapped && tx.Commit <= p.hub.Head().Commit {
		p.log.Warn("the database has another history now; what was kept for catching up is dropped")
		p.restart()
	}
	p.gapped = false
	p.mapper.Begin(tx)
	return nil
}

// restart begins another history in the Hub. The gap before it says since when.
func (p *Pipeline) restart() {
	var since time.Time
	until := time.Now()
	if g := p.lastGap.Load(); g != nil {
		since, until = g.Since, g.Until
	}
	p.hub.Restart(since, until, p.tx.Time)
}

// Change maps one row and publishes the events that need no more than it.
func (p *Pipeline) Change(c *source.Change) error { return p.mapper.Change(c, p.publish) }

// Commit publishes what is left of the transaction. Its return is the
// acknowledgement: all of the transaction's events are in the log and in the
// queues of those that may see them.
func (p *Pipeline) Commit(source.Tx) error { return p.mapper.Commit(p.publish) }

// Gap tells the operator what nobody will deliver. The mapper forgets what it
// remembers: rows may have changed unseen.
func (p *Pipeline) Gap(g source.Gap) error {
	p.gapped = true
	p.gaps.Add(1)
	p.lastGap.Store(&g)
	p.mapper.Forget()
	attrs := []any{"reason", g.Reason, "until", g.Until.UTC()}
	if !g.Since.IsZero() {
		attrs = append(attrs, "since", g.Since.UTC())
	}
	p.log.Error("changes were lost; clients see what happened meanwhile after a reload", attrs...)
	p.hub.Gap(g.Since, g.Until, false)
	return nil
}

// publish makes a packet of a mapped event. All but typing, which means
// nothing later, carry their position as the last argument: the offset of
// Socket.IO's connection-state recovery.
func (p *Pipeline) publish(ev *mapping.Event) error {
	position := source.Position{Commit: p.tx.Commit, Index: ev.Index}
	var packet *socketio.Packet
	if ev.Kind == mapping.Typing {
		packet = socketio.NewEvent(Namespace, ev.Kind.String(), ev.Payload)
	} else {
		p.offset = append(p.offset[:0], '"')
		p.offset = hub.AppendOffset(p.offset, hub.Offset{Position: position, Commit: p.tx.Time})
		p.offset = append(p.offset, '"')
		packet = socketio.NewEvent(Namespace, ev.Kind.String(), ev.Payload, p.offset)
	}
	now := time.Now()
	p.hub.Publish(&hub.Event{
		Position: position, Kind: ev.Kind, Workspace: ev.Workspace,
		Conversation: ev.Conversation, Message: ev.Key, Packet: packet,
	}, now)
	p.delay.observe(now.Sub(p.tx.Time))
	return nil
}

// PipelineStats is what a Pipeline did since its start.
type PipelineStats struct {
	// Delay counts the time from commit, by the database's clock, to
	// publication, by ours.
	Delay Histogram
	// Gaps counts the losses that the source declared; LastGap is the latest.
	Gaps    uint64
	LastGap *source.Gap
	Mapping mapping.Stats
}

// Stats returns a snapshot.
func (p *Pipeline) Stats() PipelineStats {
	return PipelineStats{
		Delay: p.delay.snapshot(), Gaps: p.gaps.Load(),
		LastGap: p.lastGap.Load(), Mapping: p.mapper.Stats(),
	}
}
