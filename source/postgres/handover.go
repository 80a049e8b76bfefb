package postgres

import (
	"context"

	"chatbridge/source/postgres/pgoutput"
)

// Another Source of the same slot can go on where this one was, if its handler has what
// this one handled. It then knows as much of the history as after a lost connection of its
// own: a server that was not started again since has the same one, and else the last
// transaction shows whether it has.

// Handover returns where the Source is; ok is false where it does not stream, or where it
// is not certain yet which history that belongs to. Any goroutine may call it.
func (s *Source) Handover() (at Handover, ok bool) {
	p := &s.progress
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.handled == 0 || p.confirmed == 0 || p.slot != 0 || p.last.commit >= p.handled {
		return Handover{}, false // the last: on the way to where an earlier process was
	}
	return Handover{
		LSN: p.handled, Commit: p.last.commit, CommitTime: p.last.time,
		System: p.history.system, Timeline: p.history.timeline, Database: p.history.database, Started: p.history.started,
	}, true
}

// Ask asks the server, on a connection of its own, where its log ends, and whether this
// Source has the slot: not what the stream told, which may be of before another one took
// it. Any goroutine may call it.
func (s *Source) Ask(ctx context.Context) (end pgoutput.LSN, ours bool, err error) {
	c, err := s.openControl(ctx)
	if err != nil {
		return 0, false, err
	}
	defer c.close(context.WithoutCancel(ctx))
	slot, err := c.slotState(ctx)
	if err != nil {
		return 0, false, err
	}
	pid := s.walsender.Load()
	return slot.current, pid != 0 && slot.activePID == pid, nil
}

// resume asks Options.Resume for the place of another Source, and makes it that of this
// one. It reports whether it did.
func (s *Source) resume(ctx context.Context, id identity, end pgoutput.LSN, slot *slotState) bool {
	reached, _ := s.progress.reached()
	if reached != 0 || s.opts.Resume == nil || s.keeper.gapReported {
		return false
	}
	at, ok := s.opts.Resume(ctx, uint64(slot.confirmed))
	switch {
	case !ok, at.LSN == 0, at.Commit >= at.LSN:
		return false
	case at.System != id.system, at.Timeline != id.timeline, at.Database != id.database:
		return false // what the slot's place is worth there, its own memory tells
	case slot.confirmed > at.LSN:
		return false // what is between is not in the stream any more
	}
	last := transactionID{commit: at.Commit, time: at.CommitTime}
	if found := s.found(); found.commit > last.commit && s.keeper.found.System == id.system {
		last = found // what came after that place was delivered too
	}
	if last.commit >= end {
		return false // it is not there: the memory tells
	}
	s.belongs(identity{system: at.System, timeline: at.Timeline, database: at.Database, started: at.Started})
	s.progress.resumeAt(at.LSN, last)
	return true
}
