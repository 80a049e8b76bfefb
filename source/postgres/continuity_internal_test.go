package postgres

import (
	"errors"
	"strings"
	"testing"
	"time"

	"chatbridge/source"
	"chatbridge/source/postgres/pgoutput"
)

// observer is a Handler that looks at what is confirmed when it is asked to
// commit.
type observer struct {
	s     *Source
	seen  []pgoutput.LSN
	fail  error
	gaps  []source.Gap
	begun uint64
}

func (o *observer) Begin(tx source.Tx) error    { o.begun = tx.Commit; return nil }
func (o *observer) Change(*source.Change) error { return nil }
func (o *observer) Gap(g source.Gap) error      { o.gaps = append(o.gaps, g); return nil }
func (o *observer) Commit(source.Tx) error {
	_, confirmed := o.s.progress.positions(time.Now())
	o.seen = append(o.seen, confirmed)
	if confirmed > pgoutput.LSN(o.begun) {
		o.fail = errors.Join(o.fail, errors.New("it is confirmed beyond the transaction that is being committed"))
	}
	return o.fail
}

// TestNothingIsConfirmedBeforeTheHandlersCommit: its nil return is the only
// acknowledgement there is.
func TestNothingIsConfirmedBeforeTheHandlersCommit(t *testing.T) {
	o := &observer{}
	r := newReading(t, o)
	o.s = r.s
	for _, f := range recordedFrames(t) {
		if err := r.frame(f); err != nil {
			t.Fatal(err)
		}
	}
	if len(o.seen) < 5 {
		t.Fatalf("only %d transactions", len(o.seen))
	}
	_, before := r.s.progress.positions(time.Now())
	// A transaction that the handler refuses stays unconfirmed.
	r = newReading(t, o)
	o.s, o.fail = r.s, errors.New("refused")
	var err error
	for _, f := range recordedFrames(t) {
		if err = r.frame(f); err != nil {
			break
		}
	}
	if _, confirmed := r.s.progress.positions(time.Now()); err == nil || confirmed >= before || confirmed > pgoutput.LSN(o.begun) {
		t.Errorf("after the handler refused (%v) %v is confirmed", err, confirmed)
	}
}

// reachedAt is a Source that has handled everything up to a place.
func reachedAt(t *testing.T, lsn pgoutput.LSN) *Source {
	t.Helper()
	s, err := New(Options{URL: "postgres://h/db"})
	if err != nil {
		t.Fatal(err)
	}
	s.progress.start(lsn, 1<<30)
	return s
}

// TestAReconnectSkipsNothingThatIsStillToCome: the last transaction that is known may be one
// that an earlier process handled, while this one is still on the way to it.
func TestAReconnectSkipsNothingThatIsStillToCome(t *testing.T) {
	s := reachedAt(t, 50)
	s.history = identity{system: "1", timeline: 1, database: "db", started: "before"}
	s.progress.remember(transactionID{commit: 90, time: time.Unix(1, 0)})
	again := identity{system: "1", timeline: 1, database: "db", started: "after"}
	from, err := s.startPosition(t.Context(), &observer{}, again, 200, &slotState{exists: true, confirmed: 50})
	if err != nil || from > 50 {
		t.Errorf("begins at %d, %v, although it has handled what is before 50", from, err)
	}
}

// TestASlotThatMovedOnIsAGap: by itself, whatever else would notice.
func TestASlotThatMovedOnIsAGap(t *testing.T) {
	id := identity{system: "1", timeline: 1, database: "db"}
	for name, c := range map[string]struct {
		confirmed pgoutput.LSN
		gap       bool
	}{"behind": {50, false}, "where we are": {100, false}, "ahead": {101, true}} {
		reason, back := historyMismatch(id, id, 100, 200, transactionID{commit: 90}, &slotState{exists: true, confirmed: c.confirmed})
		if (reason != "") != c.gap || back {
			t.Errorf("a slot %s: %q, history went back %v", name, reason, back)
		}
	}
}

// TestWhatPartsTwoHistories: each sign by itself.
func TestWhatPartsTwoHistories(t *testing.T) {
	id := identity{system: "1", timeline: 2, database: "db"}
	for name, c := range map[string]struct {
		known        identity
		reached, end pgoutput.LSN
		gap, back    bool
	}{
		"nothing was known":      {identity{}, 0, 200, false, false},
		"the same":               {id, 100, 200, false, false},
		"a promoted standby":     {identity{system: "1", timeline: 1, database: "db"}, 100, 200, false, false},
		"another server":         {identity{system: "2", timeline: 2, database: "db"}, 100, 200, true, true},
		"another database":       {identity{system: "1", timeline: 2, database: "other"}, 100, 200, true, true},
		"an earlier timeline":    {identity{system: "1", timeline: 3, database: "db"}, 100, 200, true, true},
		"a log that ends before": {id, 100, 99, true, true},
	} {
		reason, back := historyMismatch(c.known, id, c.reached, c.end, transactionID{commit: 90}, &slotState{exists: true, confirmed: 50})
		if (reason != "") != c.gap || back != c.back {
			t.Errorf("%s: %q, history went back %v", name, reason, back)
		}
	}
}

// TestAStandbyWithoutTheEndOfTheLog: what it lacks of a place that was reached is
// a gap only where a transaction that was handled may be in it.
func TestAStandbyWithoutTheEndOfTheLog(t *testing.T) {
	known, id := identity{system: "1", timeline: 1, database: "db"}, identity{system: "1", timeline: 2, database: "db"}
	handled := transactionID{commit: 60, time: time.Unix(1, 0)}
	for name, c := range map[string]struct {
		known identity
		last  transactionID
		slot  slotState
		gap   bool
	}{
		"the stream will show it":        {known, handled, slotState{confirmed: 50}, false},
		"a copy past the transaction":    {known, handled, slotState{confirmed: 70, synced: true}, false},
		"another slot past it":           {known, handled, slotState{confirmed: 70}, true},
		"the transaction is not there":   {known, transactionID{90, time.Unix(1, 0)}, slotState{confirmed: 50, synced: true}, true},
		"its place is not known":         {known, transactionID{time: time.Unix(1, 0)}, slotState{confirmed: 50, synced: true}, true},
		"nothing was ever handled":       {known, transactionID{}, slotState{confirmed: 50, synced: true}, false},
		"nothing was, and no copy":       {known, transactionID{}, slotState{confirmed: 50}, true},
		"a restore on the same timeline": {id, handled, slotState{confirmed: 50, synced: true}, true},
		"a slot past the end of the log": {known, handled, slotState{confirmed: 85, synced: true}, true},
		"a slot past what was reached":   {known, handled, slotState{confirmed: 101, synced: true}, true},
	} {
		const reached, end = 100, 80
		if reason, _ := historyMismatch(c.known, id, reached, end, c.last, &c.slot); (reason != "") != c.gap {
			t.Errorf("%s: %q", name, reason)
		}
	}
}

// TestASlotMadeAnewByHandIsKept: what was known of the one before is no reason
// to drop it.
func TestASlotMadeAnewByHandIsKept(t *testing.T) {
	for name, know := range map[string]func(*Source){
		"lost":        func(s *Source) { s.lostReason = "the server removed it" },
		"publication": func(s *Source) { s.publicationMissing = true },
	} {
		s := reachedAt(t, 100)
		know(s)
		slot := &slotState{exists: true, confirmed: 50, current: 200}
		if s.renewReason(slot) == "" {
			t.Errorf("%s: the slot is taken for good", name)
		}
		slot.confirmed = 150
		if reason := s.renewReason(slot); reason != "" {
			t.Errorf("%s: the new slot is dropped because %s", name, reason)
		}
		slot.confirmed = 50 // and that is forgotten
		if reason := s.renewReason(slot); reason != "" {
			t.Errorf("%s: later %s", name, reason)
		}
	}
}

// TestAShutdownConfirmsNothing: the server asks until everything is confirmed;
// while there is something to be kept for the next start, the stream is ended.
func TestAShutdownConfirmsNothing(t *testing.T) {
	ask := func(r *reading) error {
		for range shutdownRequests {
			if err := r.keepalive(&pgoutput.Keepalive{WALEnd: 100, Sent: pgoutput.TimeOf(time.Now()), ReplyRequested: true}); err != nil {
				return err
			}
		}
		return nil
	}
	r := newReading(t, &observer{})
	if err := ask(r); err != nil {
		t.Errorf("with nothing retained: %v", err)
	}
	r = newReading(t, &observer{})
	r.s.progress.retain = time.Hour
	now := time.Now()
	r.s.progress.begin(now, now, now)
	r.s.progress.commit(transactionID{90, now}, 90, now, now, true)
	if err := ask(r); err == nil || !strings.Contains(err.Error(), errShutdown.Error()) {
		t.Errorf("with a transaction retained: %v, want %v", err, errShutdown)
	}
	if _, confirmed := r.s.progress.positions(time.Now()); confirmed >= 90 {
		t.Errorf("%v is confirmed", confirmed)
	}
}

// TestDecodableWAL: from Postgres 19 on wal_level is the least that is written.
func TestDecodableWAL(t *testing.T) {
	for _, c := range []struct {
		level, effective string
		want             bool
	}{
		{"logical", "", true},
		{"replica", "", false},
		{"minimal", "", false},
		{"logical", "logical", true},
		{"replica", "replica", true},
		{"replica", "logical", true},
		{"minimal", "minimal", false},
	} {
		if got := DecodableWAL(c.level, c.effective); got != c.want {
			t.Errorf("wal_level %s, effective %q: %v", c.level, c.effective, got)
		}
	}
}
