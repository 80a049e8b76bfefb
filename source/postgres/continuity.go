package postgres

import (
	"context"
	"errors"
	"fmt"

	"chatbridge/source"
	"chatbridge/source/postgres/pgoutput"
)

// System identifier, timeline and end of the server's log do not show whether it
// is the log that was read before: a disk snapshot that was put back has the same
// ones, and new transactions may have moved it past the old end. The last
// transaction that was handled shows it. The slot of a snapshot is at or before
// the place where the histories differ, so if that transaction came later, the
// stream reaches its place again, and must have it there with the same commit
// time.

// errOtherHistory ends a stream whose transactions belong to another history.
var errOtherHistory = errors.New("the server's history is another one: a snapshot was put back, or a standby promoted that had not received all")

// known returns the history, the place and the transaction up to which changes
// were handled: by this process, or else (fresh) by an earlier one, from memory. A
// transaction with a time alone is one whose place cannot be looked for.
func (s *Source) known() (history identity, reached pgoutput.LSN, last transactionID, fresh bool) {
	if reached, last = s.progress.reached(); reached != 0 {
		return s.history, reached, last, false
	}
	p := &s.keeper.found
	return identity{system: p.System, timeline: p.Timeline, database: p.Database}, p.LSN, s.found(), true
}

// found returns the transaction up to which changes were handled, from memory.
func (s *Source) found() (last transactionID) {
	p := &s.keeper.found
	last.time = p.CommitTime
	if p.Publication == s.opts.Publication { // else it may not be in the stream
		last.commit = p.Commit
	}
	return last
}

// startPosition returns where the stream begins, 0 for the slot's own place. It
// reports the gap between what was handled and what the slot has.
func (s *Source) startPosition(ctx context.Context, h source.Handler, id identity, end pgoutput.LSN, slot *slotState) (pgoutput.LSN, error) {
	s.next = id
	known, reached, last, fresh := s.known()
	reason, back := historyMismatch(known, id, reached, end, last, slot)
	if s.historyDiffers {
		reason, back = errOtherHistory.Error(), true
	}
	if reached == 0 || reason != "" {
		s.belongs(id)
		if reason == "" {
			return 0, nil
		}
		return 0, s.resetWithGap(ctx, h, source.Gap{Reason: reason, Until: slot.now, Resume: uint64(slot.confirmed), Reload: back})
	}
	same := known == id
	if !same && last.commit != 0 && s.expect.commit == 0 {
		s.expect = last
	}
	if !same {
		s.progress.doubt(slot.confirmed)
	}
	if s.expect.commit == 0 || slot.confirmed > s.expect.commit {
		// The server was not restarted, or the slot is past that transaction, and
		// nothing that comes after the slot's place was handled.
		s.expect = transactionID{}
		s.belongs(id)
		resumed := reached
		if !same && !fresh {
			resumed = min(reached, slot.confirmed)
		}
		s.progress.resume(resumed)
		s.progress.remember(last)
	} else {
		s.history = known
	}
	switch {
	case fresh:
		return 0, nil
	case same && s.expect.commit == 0:
		return reached, nil
	}
	// Not from reached: another history may have other transactions before that
	// place. From its commit record on, the last transaction is sent again. It may be one
	// that an earlier process had handled, and be still to come here.
	return min(last.commit, reached), nil
}

// belongs notes the history of what is handled.
func (s *Source) belongs(id identity) {
	s.history = id
	s.progress.belongs(id)
}

// mayHaveGoneBack reports, where there is no slot that could show it, whether the
// history may lack transactions that were handled: on another timeline what the
// primary had not sent to the standby is gone.
func (s *Source) mayHaveGoneBack(id identity, end pgoutput.LSN) bool {
	known, reached, _, _ := s.known()
	return reached != 0 && (known.system != id.system || known.timeline != id.timeline || reached > end)
}

// historyMismatch says why the slot cannot continue from what is known, empty
// where nothing shows that. back tells that the history itself is another one, so
// that what was delivered may not exist.
func historyMismatch(known, id identity, reached, end pgoutput.LSN, last transactionID, slot *slotState) (reason string, back bool) {
	switch {
	case reached == 0:
		return "", false
	case known.system != id.system:
		return "the server is another one than before: its system identifier differs", true
	case known.database != id.database:
		return fmt.Sprintf("the database is another one than before: %s, not %s", id.database, known.database), true
	case known.timeline > id.timeline:
		return fmt.Sprintf("the server's history went back to timeline %d, from %d", id.timeline, known.timeline), true
	case reached > end && !mayLackOnlyForeign(known, id, end, last, slot):
		// Given such a place the server would leave out all that comes before
		// it, without an error (measured).
		return fmt.Sprintf("the server's history is another one, a restore or a failover: its log ends at %s, before the place %s that was handled", end, reached), true
	case slot.confirmed > reached:
		return fmt.Sprintf("the slot is at %s, past the place %s that was handled: another reader moved the slot on, or it was made anew", slot.confirmed, reached), false
	}
	return "", false
}

// mayLackOnlyForeign reports whether what the log lacks of a place that was
// reached may be nothing that was followed. A standby that was promoted may not
// have received the end of the primary's log. Where the last transaction can be
// there, the stream shows whether it is. A slot that is past it is only believed
// if the server copied it from the primary: such a copy is never ahead of the log.
func mayLackOnlyForeign(known, id identity, end pgoutput.LSN, last transactionID, slot *slotState) bool {
	promoted := known.timeline < id.timeline
	never := last == transactionID{} // nothing was ever handled
	told := last.commit != 0 && last.commit < end
	return promoted && (told && slot.confirmed <= last.commit || slot.synced && slot.confirmed <= end && (told || never))
}

// verify compares a transaction's Begin with the expected one. It is verified
// once it is handled, or skipped, to its end: see verified.
func (r *reading) verify(id transactionID) error {
	want := r.s.expect
	switch {
	case want.commit == 0, id.commit < want.commit:
		return nil
	case id.commit > want.commit, !id.time.Equal(want.time):
		return errOtherHistory
	}
	return nil
}

// verified notes that a transaction ended at end. After the expected one the
// histories may differ in what was not followed, so the place that was reached
// may lie past transactions that are new.
func (r *reading) verified(end pgoutput.LSN) {
	if want := r.s.expect.commit; want == 0 || want != pgoutput.LSN(r.tx.Commit) {
		return
	}
	r.s.expect = transactionID{}
	r.s.belongs(r.s.next)
	r.s.progress.resume(end)
}

// passed notes, outside of any transaction, that all that was committed before
// end was received.
func (r *reading) passed(end pgoutput.LSN) error {
	if want := r.s.expect.commit; want != 0 && end > want {
		return errOtherHistory
	}
	return nil
}
