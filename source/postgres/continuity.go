package postgres

import (
	"context"
	"errors"
	"fmt"

	"chatbridge/source"
	"chatbridge/source/postgres/pgoutput"
)

// Whether the server's log is the one that was read before cannot be told by
// its name and length alone: a disk snapshot that was put back has the same
// system and timeline, and new transactions may have carried it past the old
// end. But the last transaction that was handled tells. The slot of a snapshot
// stands at or before the place where the histories part, so if that
// transaction came after it, the stream comes to its place again: there it must
// be, with the same commit time.

// errOtherHistory ends a stream in which another history showed.
var errOtherHistory = errors.New("the server's history is another one: a snapshot was put back, or a standby promoted that had not received all")

// known returns what was handled, up to which place and transaction, and in
// which history: by this process, or else, fresh, as another one remembered.
func (s *Source) known() (history identity, reached pgoutput.LSN, last transactionID, fresh bool) {
	if reached, last = s.progress.reached(); reached != 0 {
		return s.history, reached, last, false
	}
	p := &s.keeper.found
	if p.Publication == s.opts.Publication { // else it need not come again
		last = transactionID{p.Commit, p.CommitTime}
	}
	return identity{system: p.System, timeline: p.Timeline, database: p.Database}, p.LSN, last, true
}

// from decides where a stream begins, and reports the gap between what is known
// and what the slot gives.
func (s *Source) from(ctx context.Context, h source.Handler, id identity, end pgoutput.LSN, look *slotLook) (pgoutput.LSN, error) {
	s.next = id
	known, reached, last, fresh := s.known()
	reason, back := parted(known, id, reached, end, look)
	if s.other {
		reason, back = errOtherHistory.Error(), true
	}
	if reached == 0 || reason != "" {
		s.history = id
		if reason == "" {
			return 0, nil
		}
		return 0, s.gap(ctx, h, source.Gap{Reason: reason, Until: look.now, Reload: back})
	}
	same := known == id
	if !same && last.commit != 0 && s.expect.commit == 0 {
		s.expect = last
	}
	if s.expect.commit == 0 || look.confirmed > s.expect.commit {
		// The server has not been away, or nothing can be compared.
		s.history, s.expect = id, transactionID{}
		s.progress.trust()
		s.progress.remember(last)
	} else {
		s.history = known
		s.progress.doubt(look.confirmed)
	}
	switch {
	case fresh:
		return 0, nil
	case same && s.expect.commit == 0:
		return reached, nil
	}
	// Not from where we were: in another history that is past transactions
	// which are not ours. From the last one's commit record on it comes again,
	// or, where the slot is past it, nothing that we had.
	return last.commit, nil
}

// mayHaveGoneBack tells, where there is no slot that could show it, that the
// history may not hold all that was handled: on another timeline what the
// primary had not sent to the standby is gone.
func (s *Source) mayHaveGoneBack(id identity, end pgoutput.LSN) bool {
	known, reached, _, _ := s.known()
	return reached != 0 && (known.system != id.system || known.timeline != id.timeline || reached > end)
}

// parted says why what is known and what the slot gives do not meet, empty
// where nothing speaks against it. back tells that the history itself is
// another one, so that what was delivered may not exist.
func parted(known, id identity, reached, end pgoutput.LSN, look *slotLook) (reason string, back bool) {
	switch {
	case reached == 0:
		return "", false
	case known.system != id.system:
		return "the server is another one than before: its system identifier differs", true
	case known.database != id.database:
		return fmt.Sprintf("the database is another one than before: %s, not %s", id.database, known.database), true
	case known.timeline > id.timeline:
		return fmt.Sprintf("the server's history went back to timeline %d, from %d", id.timeline, known.timeline), true
	case reached > end:
		// Passing such a place would make the server leave out all that comes
		// before it, in silence (measured).
		return fmt.Sprintf("the server's history is another one, a restore or a failover: its log ends at %s, before the place %s that was handled", end, reached), true
	case look.confirmed > reached:
		return fmt.Sprintf("the slot is at %s, past the place %s that was handled: another reader moved the slot on, or it was made anew", look.confirmed, reached), false
	}
	return "", false
}

// verify holds the Begin of a transaction against the expected one.
func (r *reading) verify(id transactionID) error {
	want := r.s.expect
	switch {
	case want.commit == 0, id.commit < want.commit:
		return nil
	case id.commit > want.commit, !id.time.Equal(want.time):
		return errOtherHistory
	}
	r.s.expect, r.s.history = transactionID{}, r.s.next
	r.s.progress.trust()
	return nil
}

// passed notes that all that was committed before end has come, outside of any
// transaction.
func (r *reading) passed(end pgoutput.LSN) error {
	if want := r.s.expect.commit; want != 0 && end > want {
		return errOtherHistory
	}
	return nil
}
