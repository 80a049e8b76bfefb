package postgres

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"chatbridge/source"
	"chatbridge/source/postgres/pgoutput"
)

// acquire returns when the slot exists, is of use and is not being read. It
// creates it and gives it up as the options allow, and stands by while
// another bridge reads it.
func (s *Source) acquire(ctx context.Context, c *control, h source.Handler) (slotLook, error) {
	for {
		look, err := c.look(ctx)
		if err != nil {
			return look, err
		}
		if err := s.fits(&look); err != nil {
			return look, err
		}
		if reached, _ := s.progress.reached(); reached == 0 && look.activePID == 0 {
			if err := s.keeper.recall(ctx, c, c.system(ctx)); err != nil {
				return look, err
			}
		}
		renewed, err := s.renew(ctx, c, h, &look)
		switch {
		case err != nil:
			return look, err
		case renewed:
			continue
		case look.activePID == 0:
			return look, nil
		}
		if err := s.standBy(ctx, c, look.activePID); err != nil {
			return look, err
		}
	}
}

// fits reports a slot of our name that is somebody else's.
func (s *Source) fits(l *slotLook) error {
	if !l.exists || (l.kind == "logical" && l.plugin == "pgoutput" && l.here) {
		return nil
	}
	what := l.kind + " slot"
	if l.kind == "logical" {
		what = fmt.Sprintf("slot of the plugin %s in the database %s", l.plugin, l.database)
	}
	return &problem{
		class: classFatal, op: "look at the slot", hint: "choose another slot name, or drop that slot",
		err: fmt.Errorf("%s is a %s", s.opts.Slot, what),
	}
}

// renew makes the slot anew where it is missing or of no use. It reports
// whether it did.
func (s *Source) renew(ctx context.Context, c *control, h source.Handler, l *slotLook) (bool, error) {
	reason := s.useless(l)
	if reason == "" {
		return false, nil
	}
	if s.opts.Create == CreateNothing {
		return false, s.mayNotRenew(reason, l.exists)
	}
	id, end, err := s.probe(ctx)
	if err != nil {
		return false, err
	}
	reached, _ := s.progress.reached()
	reload := s.mayHaveGoneBack(id, end)
	first := !l.exists && reached == 0 && s.lostReason == "" && s.keeper.found.IsZero()
	if !first {
		// What is lost stays so, whatever the next attempt finds.
		s.lostReason = reason
	}
	if l.exists {
		if err := c.drop(ctx); err != nil {
			return false, err
		}
	}
	s.setState(ctx, Connecting, "create", "creating the slot, which waits for transactions that are writing")
	if err := c.create(ctx); err != nil {
		return false, err
	}
	s.lostReason, s.publicationMissing = "", false
	if first {
		s.opts.Logger.LogAttrs(ctx, slog.LevelInfo, "slot created", slog.String("slot", s.opts.Slot))
		return true, nil
	}
	return true, s.gap(ctx, h, source.Gap{Reason: reason, Until: l.now, Reload: reload})
}

// useless says why the slot has to be made anew, empty where it has not.
func (s *Source) useless(l *slotLook) string {
	reached, _ := s.progress.reached()
	switch {
	case !l.exists && s.lostReason != "":
		return s.lostReason
	case !l.exists:
		return "the slot was missing"
	case l.lost() != "":
		return l.lost()
	case l.activePID != 0:
		// Whoever reads it decides.
		return ""
	case reached != 0 && l.confirmed > reached:
		// Somebody has made it anew or moved it on; what we knew of it is
		// out of date.
		s.lostReason, s.publicationMissing = "", false
		return ""
	case s.lostReason != "":
		return s.lostReason
	case s.publicationMissing:
		return "the publication was missing for a time, and the slot cannot get past that place"
	}
	return ""
}

// probe makes sure that we can replicate at all before a slot is created that
// nobody would read: a pooler passes SQL on, but not replication.
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
	hint := fmt.Sprintf("run SELECT pg_create_logical_replication_slot(%s, 'pgoutput')", quoteLiteral(s.opts.Slot))
	if exists {
		hint = fmt.Sprintf("run SELECT pg_drop_replication_slot(%[1]s); SELECT pg_create_logical_replication_slot(%[1]s, 'pgoutput')", quoteLiteral(s.opts.Slot))
	}
	return &problem{class: classSlow, op: "look at the slot", err: errors.New(reason), hint: hint}
}

// gap reports a gap and forgets what was reached before it.
func (s *Source) gap(ctx context.Context, h source.Handler, g source.Gap) error {
	_, _, g.Since = s.progress.lag(time.Now())
	switch {
	case s.other:
		g.Since = s.expect.time
	case g.Since.IsZero():
		g.Since = s.keeper.found.CommitTime
	}
	g.Until = g.Until.UTC()
	s.progress.reset()
	s.keeper.forget()
	s.shape.restart(g.Until)
	s.expect, s.other = transactionID{}, false
	return s.tell(ctx, h, g)
}
