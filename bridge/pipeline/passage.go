package pipeline

import (
	"time"

	"chatbridge/mapping/contract"
	"chatbridge/socketio/engineio"
	"chatbridge/source"
)

// Passage is one transaction's way through the bridge, as it was timed.
type Passage struct {
	// Tx has the commit's time by the database's clock; the other times are ours.
	Tx source.Tx
	// Received is when the source began to hand the transaction over.
	Received time.Time
	// Events are the first MaxPassageEvents of the published events; All counts all of
	// them.
	Events []PassageEvent
	All    int
}

// MaxPassageEvents bounds Passage.Events.
const MaxPassageEvents = 8

// PassageEvent is the way of one event.
type PassageEvent struct {
	Kind contract.Kind
	// Mapped is when the event was made, Logged when it was in the replay log and in the
	// queues of those that may see it.
	Mapped, Logged time.Time
	// Written watches the event's packet on its way to the clients. Clients that read it
	// from the log are not counted among those in whose queues it was put.
	Written *engineio.Watch
}

// Follower chooses transactions to be timed. Both methods are called from the goroutine
// that publishes and must not wait.
type Follower interface {
	// Follows tells whether to time the transaction that begins.
	Follows(tx source.Tx) bool
	// Passed is given the Passage of each followed transaction that made an event, once
	// all of it is published.
	Passed(p *Passage)
}

// Follow has f choose transactions to be timed. Call it before the Pipeline is used.
func (p *Pipeline) Follow(f Follower) { p.follower = f }

// beginPassage begins to time a transaction if the Follower wants it. mu is held.
func (p *Pipeline) beginPassage(tx source.Tx) {
	p.passage = nil
	if p.follower != nil && !p.again(tx) && p.follower.Follows(tx) {
		p.passage = &Passage{Tx: tx, Received: time.Now(), Events: make([]PassageEvent, 0, MaxPassageEvents)}
	}
}

// endPassage hands over what was timed. mu is held.
func (p *Pipeline) endPassage() {
	if p.passage != nil && p.passage.All > 0 {
		p.follower.Passed(p.passage)
	}
	p.passage = nil
}

// watch begins the timing of an event that was made at the time mapped. It returns nil
// for an event past MaxPassageEvents, which is not timed.
func (p *Passage) watch(kind contract.Kind, mapped time.Time) *PassageEvent {
	if p.All++; p.All > MaxPassageEvents {
		return nil
	}
	p.Events = append(p.Events, PassageEvent{Kind: kind, Mapped: mapped, Written: new(engineio.Watch)})
	return &p.Events[len(p.Events)-1]
}
