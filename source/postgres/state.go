package postgres

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"chatbridge/source/postgres/dial"
	"chatbridge/source/postgres/pgoutput"
)

// State is what a Source is doing.
type State uint8

// The states of a Source.
const (
	// Stopped: Run has not been called or has returned.
	Stopped State = iota
	// Connecting: on the way to a first or a new stream.
	Connecting
	// Streaming: changes flow.
	Streaming
	// Standby: another bridge has the slot; this one takes over when it ends.
	Standby
	// Retrying: the connection failed; the next attempt is soon.
	Retrying
	// Blocked: something on the server must be changed first, see the last
	// error's remedy; it is tried again now and then.
	Blocked
	// Failed: Run returned an error.
	Failed
)

// String returns the state in lower case, as metrics and logs show it.
func (s State) String() string {
	names := [...]string{"stopped", "connecting", "streaming", "standby", "retrying", "blocked", "failed"}
	if int(s) < len(names) {
		return names[s]
	}
	return "unknown"
}

// Stats is a snapshot of a Source. The counts are since New.
type Stats struct {
	State State
	// Reason is one sentence on why it is in this state, empty for Streaming.
	Reason string
	// Since is when it came into this state.
	Since time.Time

	// LagBytes is how much of the server's log is not yet handled, as far as
	// it is known: the server's end is polled every Options.Watch.
	LagBytes uint64
	// Lag is how long after its commit the transaction that is being read, or
	// was read last, arrived. 0 when nothing is outstanding.
	Lag time.Duration
	// Handled and Confirmed are the places up to which all is handled, and up to
	// which the server may remove its log.
	Handled, Confirmed pgoutput.LSN
	// LastCommit is the commit time of the last handled transaction.
	LastCommit time.Time

	Transactions, Inserts, Updates, Deletes, Truncates uint64
	// Bytes is what came over the network.
	Bytes uint64
	// Reconnects counts streams that started after the first.
	Reconnects uint64
	// Gaps counts the calls of Handler.Gap.
	Gaps uint64
	// Unfilled counts unchanged out-of-line values that the server did not
	// send and no old row held.
	Unfilled uint64

	// Replaced counts values in which bytes that are no characters of the
	// database's encoding were replaced by U+FFFD.
	Replaced uint64
	// Faults are what the last inspection found wrong at the database, so that
	// changes do not arrive although it streams; nil for nothing.
	Faults []Fault
	// FaultsTurned is when Faults last became some or none, zero for never.
	FaultsTurned time.Time

	// Rivals are other bridges at the slot that are not of our cluster, where one of the two is
	// of a cluster or the slot is DefaultSlot: those that wait for it, or the one that this one
	// waits for.
	Rivals []dial.Bridge
	// Reader is the bridge that has the slot while this one stands by, zero for none.
	Reader dial.Bridge

	// LastError is the last failure, nil if there was none; it stays after
	// recovery.
	LastError *Failure
	// Slot is what the server last said of the slot, nil before.
	Slot *SlotStatus
	// ServerVersion is such as 150018, 0 before the first connection.
	ServerVersion int
}

// Failure is a failure that an operator may want to see.
type Failure struct {
	At time.Time
	// Text is the error.
	Text string
	// Code is the SQLSTATE or empty.
	Code string
	// Remedy says what to do, empty where it will pass by itself.
	Remedy string
}

// SlotStatus is what pg_replication_slots has of the slot.
type SlotStatus struct {
	At time.Time
	// WALStatus is reserved, extended, unreserved or lost.
	WALStatus string
	// Unconfirmed is the number of bytes from the confirmed place to the end
	// of the log. MaxLag bounds it.
	Unconfirmed uint64
	// HeldBack is the number of bytes from the oldest place that the slot
	// still needs. Beyond Unconfirmed it is a long transaction of the
	// application that holds the log.
	HeldBack uint64
	// Safe is how many more bytes the server keeps before the slot is lost,
	// -1 where max_slot_wal_keep_size does not bound it.
	Safe int64
}

// counters are what Stats counts. Any goroutine may read them.
type counters struct {
	transactions, inserts, updates, deletes, truncates atomic.Uint64

	bytes, streams, gaps, unfilled, replaced atomic.Uint64
}

// status is the part of Stats that is not a counter.
type status struct {
	mu      sync.Mutex
	state   State
	reason  string
	since   time.Time
	failure *Failure
	slot    *SlotStatus
	version int
	rivals  []dial.Bridge
	reader  dial.Bridge

	// topic and logged are what was logged last, and when.
	topic  string
	logged time.Time
}

// logAgain is how long the same state for the same kind of reason is not
// logged again.
const logAgain = 5 * time.Minute

// Stats returns a snapshot. It may be called at any time.
func (s *Source) Stats() Stats {
	now := time.Now()
	lagBytes, lag, lastCommit := s.progress.lag(now)
	handled, confirmed := s.progress.positions(now)
	faults, turned := s.shape.current()
	c := &s.counters
	s.status.mu.Lock()
	defer s.status.mu.Unlock()
	return Stats{
		State: s.status.state, Reason: s.status.reason, Since: s.status.since,
		LagBytes: lagBytes, Lag: lag, LastCommit: lastCommit,
		Handled: handled, Confirmed: confirmed,
		Transactions: c.transactions.Load(),
		Inserts:      c.inserts.Load(), Updates: c.updates.Load(),
		Deletes: c.deletes.Load(), Truncates: c.truncates.Load(),
		Bytes: c.bytes.Load(), Reconnects: max(c.streams.Load(), 1) - 1,
		Replaced: c.replaced.Load(), Faults: faults, FaultsTurned: turned,
		Gaps: c.gaps.Load(), Unfilled: c.unfilled.Load(),
		Rivals: s.status.rivals, Reader: s.status.reader, LastError: s.status.failure, Slot: s.status.slot, ServerVersion: s.status.version,
	}
}

// setState changes the state and logs it, unless the last line had the same
// topic and is not old: a reason may hold what differs each time.
func (s *Source) setState(ctx context.Context, state State, topic, reason string, attrs ...slog.Attr) {
	now := time.Now()
	topic = state.String() + topic
	s.status.mu.Lock()
	if s.status.state != state {
		s.status.since = now
	}
	s.status.state, s.status.reason = state, reason
	if state != Standby {
		s.status.reader = dial.Bridge{}
	}
	repeated := topic == s.status.topic && now.Sub(s.status.logged) < logAgain
	if !repeated {
		s.status.topic, s.status.logged = topic, now
	}
	s.status.mu.Unlock()
	if repeated || state == Failed { // Run's error says it
		return
	}
	level := slog.LevelInfo
	if state == Retrying || state == Blocked {
		level = slog.LevelWarn
	}
	attrs = append([]slog.Attr{slog.String("state", state.String()), slog.String("slot", s.opts.Slot)}, attrs...)
	if reason != "" && len(attrs) == 2 {
		attrs = append(attrs, slog.String("reason", reason))
	}
	s.opts.Logger.LogAttrs(ctx, level, "postgres source "+state.String(), attrs...)
}

func (s *Source) setReader(reader dial.Bridge) {
	s.status.mu.Lock()
	defer s.status.mu.Unlock()
	s.status.reader = reader
}

func (s *Source) setRivals(rivals []dial.Bridge) {
	s.status.mu.Lock()
	defer s.status.mu.Unlock()
	s.status.rivals = rivals
}

func (s *Source) setFailure(p *problem) {
	s.status.mu.Lock()
	defer s.status.mu.Unlock()
	s.status.failure = &Failure{At: time.Now(), Text: p.Error(), Code: p.code(), Remedy: p.hint}
}

func (s *Source) setSlot(slot slotState) {
	s.progress.observe(slot.current)
	s.status.mu.Lock()
	defer s.status.mu.Unlock()
	s.status.slot = &SlotStatus{
		At: time.Now(), WALStatus: slot.walStatus, Safe: slot.safe,
		Unconfirmed: uint64(slot.current - min(slot.confirmed, slot.current)),
		HeldBack:    uint64(slot.current - min(slot.restart, slot.current)),
	}
}
