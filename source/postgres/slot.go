package postgres

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"chatbridge/internal/sqlquote"
	"chatbridge/source"
	"chatbridge/source/postgres/pgoutput"
)

// acquire returns when the slot exists, can be read and is not being read. It
// creates and replaces it as the options allow, and stands by while another
// bridge reads it.
func (s *Source) acquire(ctx context.Context, c *control, h source.Handler) (slotState, error) {
	for {
		slot, err := c.slotState(ctx)
		if err != nil {
			return slot, err
		}
		if err := s.checkOwnership(ctx, c, &slot); err != nil {
			return slot, err
		}
		switch reached, _ := s.progress.reached(); {
		case reached != 0:
		case slot.activePID != 0:
			s.keeper.pollMemory(ctx, c, time.Now())
		default:
			if err := s.keeper.recall(ctx, c, c.system(ctx), &slot); err != nil {
				return slot, err
			}
		}
		renewed, err := s.renew(ctx, c, h, &slot)
		switch {
		case err != nil:
			return slot, err
		case renewed:
			continue
		case slot.activePID == 0:
			s.forgetReader()
			return slot, c.endWaiting(ctx)
		}
		if err := s.standBy(ctx, c, slot.activePID); err != nil {
			return slot, err
		}
	}
}

// checkOwnership reports a slot of our name that belongs to something else.
func (s *Source) checkOwnership(ctx context.Context, c *control, slot *slotState) error {
	if !slot.exists || (slot.kind == "logical" && slot.plugin == "pgoutput" && slot.here) {
		return nil
	}
	what := slot.kind + " slot"
	if slot.kind == "logical" {
		what = fmt.Sprintf("slot of the plugin %s in the database %s", slot.plugin, slot.database)
	}
	hint := "choose another source.postgres.slot; drop that slot only if nothing needs it any more"
	if slot.activePID != 0 {
		hint = "choose another source.postgres.slot; do not drop that slot, it is in use"
		what += ", read by " + c.readerOf(ctx, slot.activePID)
	}
	return &problem{class: classFatal, op: "check the slot", hint: hint, err: fmt.Errorf("%s is a %s", s.opts.Slot, what)}
}

// readerOf names the process of the server that reads a slot, as far as this role may see it.
func (c *control) readerOf(ctx context.Context, pid uint32) string {
	ctx, cancel := c.bound(ctx)
	defer cancel()
	named := fmt.Sprintf("the server's process %d", pid)
	var name string
	if c.conn.QueryRow(ctx, "select application_name from pg_stat_activity where pid = $1", pid).Scan(&name) == nil && name != "" {
		named = name + " (" + named + ")"
	}
	return named
}

// renew creates the slot where it is missing, and replaces it where it cannot be
// read any more. It reports whether it did.
func (s *Source) renew(ctx context.Context, c *control, h source.Handler, slot *slotState) (bool, error) {
	reason := s.renewReason(slot)
	if reason == "" {
		return false, nil
	}
	if s.opts.Create == CreateNothing {
		return false, s.mayNotRenew(reason, slot.exists)
	}
	id, end, err := s.probe(ctx)
	if err != nil {
		return false, err
	}
	reached, _ := s.progress.reached()
	reload := s.mayHaveGoneBack(id, end)
	first := !slot.exists && reached == 0 && s.lostReason == "" && s.keeper.found.IsZero()
	if !first {
		// The gap is reported even if the next attempt finds a slot.
		s.lostReason = reason
	}
	if slot.exists {
		if err := c.drop(ctx); err != nil {
			return false, err
		}
	} else if err := c.hasRoom(ctx); err != nil {
		return false, err
	}
	s.setState(ctx, Connecting, "create", "creating the slot, which waits for transactions that are writing")
	if err := c.create(ctx); err != nil {
		var pg *pgconn.PgError
		if errors.As(err, &pg) && pg.Code == "42710" {
			return true, nil // another bridge has made it meanwhile
		}
		return false, err
	}
	if first {
		s.lostReason, s.publicationMissing, s.began = "", false, slot.now.UTC()
		s.opts.Logger.LogAttrs(ctx, slog.LevelInfo, "slot created", slog.String("slot", s.opts.Slot))
		return true, nil
	}
	// What was committed while it was being created is lost too.
	made, err := c.slotState(ctx)
	if err != nil {
		return false, err
	}
	s.lostReason, s.publicationMissing = "", false
	return true, s.resetWithGap(ctx, h, source.Gap{Reason: reason, Until: made.now, Resume: uint64(made.confirmed), Reload: reload})
}

// renewReason says why the slot has to be replaced, empty where it has not.
func (s *Source) renewReason(slot *slotState) string {
	reached, _ := s.progress.reached()
	switch {
	case !slot.exists && s.lostReason != "":
		return s.lostReason
	case !slot.exists:
		return "the slot was missing"
	case slot.lost() != "":
		return slot.lost()
	case slot.activePID != 0:
		// Its reader decides.
		return ""
	case reached != 0 && slot.confirmed > reached:
		// Somebody created it again or moved it on: what we knew of it is out
		// of date.
		s.lostReason, s.publicationMissing = "", false
		return ""
	case s.lostReason != "":
		return s.lostReason
	case s.publicationMissing:
		return "the publication was missing for a time, and the slot cannot get past that place"
	}
	return ""
}

// probe checks that we can replicate at all before it creates a slot that nobody
// would read: a pooler passes SQL on, but not replication.
func (s *Source) probe(ctx context.Context) (identity, pgoutput.LSN, error) {
	ctx, cancel := context.WithTimeout(ctx, s.opts.Connect)
	defer cancel()
	conn, _, err := s.connectReplication(ctx)
	if err != nil {
		return identity{}, 0, err
	}
	id, end, err := s.identify(ctx, conn)
	_ = conn.Close(ctx)
	return id, end, err
}

func (s *Source) mayNotRenew(reason string, exists bool) error {
	hint := "run "
	if exists {
		hint += fmt.Sprintf("SELECT pg_drop_replication_slot(%s); ", sqlquote.Literal(s.opts.Slot))
	}
	hint += CreateSlotSQL(s.opts.Slot, s.version(), !s.opts.NoFailover)
	return &problem{class: classSlow, op: "check the slot", err: errors.New(reason), hint: hint}
}

// resetWithGap reports a gap and forgets what was reached before it.
func (s *Source) resetWithGap(ctx context.Context, h source.Handler, g source.Gap) error {
	_, _, g.Since = s.progress.lag(time.Now())
	switch {
	case s.historyDiffers:
		g.Since = s.expect.time
	case g.Since.IsZero():
		g.Since = s.keeper.found.CommitTime
	}
	if g.Since.IsZero() { // nothing was delivered since the first start
		g.Since = s.began
	}
	g.Until = g.Until.UTC()
	if !g.Reload {
		_, last := s.progress.reached()
		g.After = uint64(max(last.commit, s.keeper.found.Commit))
	}
	if p := s.pending.gap; p != nil && p.Since.Before(g.Since) {
		g.Since = p.Since
	}
	s.pending = pendingGap{}
	s.progress.reset()
	s.keeper.forget()
	s.shape.restart(g.Until)
	s.expect, s.historyDiffers = transactionID{}, false
	return s.reportGap(ctx, h, g)
}
