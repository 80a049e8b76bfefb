package postgres

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"
)

// saveTick is how often it is checked whether the place has to be saved.
const saveTick = 250 * time.Millisecond

// watch saves the place, polls the slot and inspects the database until ctx ends,
// and ends the stream when the slot is lost or holds back more than it may. It
// owns c, and returns it or the one that replaced it, nil where that failed. A
// poll that fails does not end a stream that works; the next one connects again.
func (s *Source) watch(ctx context.Context, c *control, st *stream) *control {
	tick := time.NewTicker(min(saveTick, s.opts.Watch))
	defer tick.Stop()
	w := watcher{pollEvery: saveTick, polled: time.Now(), inspected: time.Now(), rivalsPolled: time.Now()}
	for {
		select {
		case <-ctx.Done():
			return c
		case <-tick.C:
		}
		now := time.Now()
		s.keeper.save(ctx, c, now, false)
		if c != nil && now.Sub(w.rivalsPolled) >= s.rivalsEvery() {
			w.rivalsPolled = now
			s.pollRivals(ctx, c)
		}
		if now.Sub(w.polled) < w.pollEvery {
			continue
		}
		w.polled = now
		if c == nil {
			var err error
			if c, err = s.openControl(ctx); err != nil {
				c = nil
				continue
			}
		}
		slot, err := c.slotState(ctx)
		if err != nil {
			c.close(ctx)
			c = nil
			continue
		}
		if s.handleSlotState(ctx, c, st, &w, &slot) {
			return c
		}
	}
}

// watcher is when the slot was polled, the database inspected and rivals polled
// last, and how often to poll the slot.
type watcher struct {
	pollEvery                       time.Duration
	polled, inspected, rivalsPolled time.Time
}

// handleSlotState acts on the slot's state, and reports whether it ended the
// stream.
func (s *Source) handleSlotState(ctx context.Context, c *control, st *stream, w *watcher, slot *slotState) bool {
	w.pollEvery = s.slotPollInterval(slot)
	if s.checkSlot(ctx, c, st, slot) {
		return true
	}
	if slot.restartLags() {
		s.advanceRestartLSN(ctx, c, w.polled)
	}
	if w.polled.Sub(w.inspected) < s.opts.Watch {
		return false
	}
	w.inspected = w.polled
	if gap := s.inspect(ctx, c, slot.now); gap != nil {
		st.queueGap(gap)
	}
	return false
}

// retentionLimit is how many bytes retention may hold back: half of what would
// cost the slot, less what the server itself holds back for the slot, and nothing
// once half is used up.
func (s *Source) retentionLimit(slot *slotState) uint64 {
	limit := s.opts.MaxLag / 2
	if slot.keep < 0 {
		return limit
	}
	half := uint64(slot.keep) / 2
	if slot.safe >= 0 && uint64(slot.safe) < half || slot.walStatus == "unreserved" {
		return 0
	}
	return min(limit, half-min(slot.restartLag(), half))
}

// checkSlot ends the stream where the slot is lost or too far behind, and reports
// whether it did.
func (s *Source) checkSlot(ctx context.Context, c *control, st *stream, slot *slotState) bool {
	s.progress.bound(s.retentionLimit(slot))
	if s.progress.overLimit() {
		st.requestStatus()
	}
	lost := slot.lost()
	// The backlog at the start of the stream is read, however large it is; from
	// there the slot may hold back max_lag more than its lowest lag so far.
	s.ceiling = min(s.ceiling, max(s.opts.MaxLag, slot.lag()+s.opts.MaxLag))
	if slot.lag() <= s.opts.MaxLag {
		s.ceiling = s.opts.MaxLag
	}
	if slot.exists && lost == "" && slot.lag() > s.ceiling && s.opts.Create == CreateSlot {
		lost = fmt.Sprintf("the slot held back %d MiB of the server's log, more than max_lag allows", slot.lag()>>20)
	}
	if lost == "" {
		if slot.walStatus == "unreserved" {
			s.opts.Logger.LogAttrs(ctx, slog.LevelWarn, "the server is about to give the slot up",
				slog.String("slot", s.opts.Slot), slog.Uint64("unconfirmed_bytes", slot.lag()))
		}
		return false
	}
	st.interrupt(&problem{class: classLost, op: "watch the slot", err: errors.New(lost)})
	if s.opts.Create == CreateSlot {
		// At once, because a slow handler would make the server keep the log for
		// longer. The socket is closed so that the walsender ends.
		_ = st.link.Close()
		if err := c.drop(ctx); err != nil && ctx.Err() == nil {
			s.opts.Logger.LogAttrs(ctx, slog.LevelWarn, "the slot could not be dropped",
				slog.String("slot", s.opts.Slot), slog.String("error", err.Error()))
		}
	}
	return true
}
