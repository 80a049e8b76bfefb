package postgres

import (
	"context"
	"log/slog"
	"time"

	"chatbridge/internal/sqlquote"
)

// The server keeps its log from the slot's restart_lsn on, and moves that only
// when what we confirm passes a record of the running transactions, which it
// writes every 15 s and at checkpoints. At 100 MB/s that is more than a small
// max_slot_wal_keep_size, and the slot is lost although everything is confirmed
// (measured: 64 MB, 375 MB of other writes). Creating a logical slot writes such
// a record at once, on every version and with the rights that we have; so a
// temporary one is created and dropped where the slot needs it.

const (
	// fastestWAL is the rate of writing, in bytes a second, up to which a bounded
	// slot is polled often enough.
	fastestWAL = 100 << 20
	// advanceEvery is the least time between two records.
	advanceEvery = 250 * time.Millisecond
	// advanceLockTimeout bounds the wait for transactions that are writing, for which
	// the slot would wait, but the record does not.
	advanceLockTimeout = "100ms"
)

// slotPollInterval is how often to poll the slot: about twice in the time in
// which a busy server writes half of max_slot_wal_keep_size.
func (s *Source) slotPollInterval(slot *slotState) time.Duration {
	if slot.keep < 0 {
		return s.opts.Watch
	}
	half := time.Duration(float64(slot.keep) / 2 / fastestWAL * float64(time.Second))
	return min(max(half/2, saveTick), s.opts.Watch)
}

// advanceRestartLSN has the server write a record of the running transactions.
func (s *Source) advanceRestartLSN(ctx context.Context, c *control, now time.Time) {
	if now.Sub(s.restartAdvanced) < advanceEvery {
		return
	}
	s.restartAdvanced = now
	name := s.opts.Slot[:min(len(s.opts.Slot), 58)] + "_tmp"
	ctx, cancel := c.bound(ctx)
	defer cancel()
	_, err := c.conn.Exec(ctx, "set lock_timeout = '"+advanceLockTimeout+"'; select pg_create_logical_replication_slot("+sqlquote.Literal(name)+", 'pgoutput', true)")
	if err == nil {
		_, err = c.conn.Exec(ctx, "select pg_drop_replication_slot($1)", name)
	}
	if err != nil {
		s.opts.Logger.DebugContext(ctx, "no temporary slot", slog.String("error", err.Error()))
	}
	_, _ = c.conn.Exec(ctx, "set lock_timeout = '"+lockTimeout+"'")
}
