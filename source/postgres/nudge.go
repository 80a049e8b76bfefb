package postgres

import (
	"context"
	"log/slog"
	"time"
)

// The server keeps its log from the slot's restart_lsn on, and moves that only
// when what we confirm passes a record of the running transactions, which it
// writes every 15 s and at checkpoints. At 100 MB/s that is more than a small
// max_slot_wal_keep_size, and the slot is lost although everything is confirmed
// (measured: 64 MB, 375 MB of other writes). Creating a logical slot writes such
// a record at once, on every version and with the right that we have; so a
// temporary one is made, and dropped, where the slot needs it.

const (
	// fastest is the rate of writing, in bytes a second, that the looks at a
	// bounded slot keep up with.
	fastest = 100 << 20
	// nudgeEvery is the least time between two records.
	nudgeEvery = 250 * time.Millisecond
	// nudgeLock bounds the wait for transactions that are writing, for which
	// the slot would wait, but the record does not.
	nudgeLock = "100ms"
)

// lookEvery is how often the slot has to be looked at: about twice in the time
// in which a busy server writes half of what it keeps.
func (s *Source) lookEvery(look *slotLook) time.Duration {
	if look.keep < 0 {
		return s.opts.Watch
	}
	half := time.Duration(float64(look.keep) / 2 / fastest * float64(time.Second))
	return min(max(half/2, keepTick), s.opts.Watch)
}

// lags tells that what the server holds back for the slot by itself is a good
// part of what it keeps.
func (l *slotLook) lags() bool {
	return l.keep >= 0 && l.restart != 0 && l.owned() > uint64(l.keep)/8
}

// nudge has the server write a record of the running transactions.
func (s *Source) nudge(ctx context.Context, c *control, now time.Time) {
	if now.Sub(s.nudged) < nudgeEvery {
		return
	}
	s.nudged = now
	name := s.opts.Slot[:min(len(s.opts.Slot), 58)] + "_tmp"
	ctx, cancel := c.bound(ctx)
	defer cancel()
	_, err := c.conn.Exec(ctx, "set lock_timeout = '"+nudgeLock+"'; select pg_create_logical_replication_slot("+quoteLiteral(name)+", 'pgoutput', true)")
	if err == nil {
		_, err = c.conn.Exec(ctx, "select pg_drop_replication_slot("+quoteLiteral(name)+")")
	}
	if err != nil {
		s.opts.Logger.DebugContext(ctx, "no temporary slot", slog.String("error", err.Error()))
	}
	_, _ = c.conn.Exec(ctx, "set lock_timeout = '"+lockTimeout+"'")
}

// owned is how much of the log the server holds back for the slot beyond what
// is not confirmed.
func (l *slotLook) owned() uint64 { return uint64(l.confirmed - min(l.restart, l.confirmed)) }
