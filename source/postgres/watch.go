package postgres

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"
)

// keepTick is how often it is seen whether something has to be kept.
const keepTick = 250 * time.Millisecond

// watch keeps what is confirmed, looks at the slot and inspects the database
// now and then until ctx ends, and ends the stream when the slot is lost or
// holds back more than it may. It owns c, and returns it or the one that
// replaced it, nil where that failed. A look that fails is no reason to end a
// stream that works; the next one connects anew.
func (s *Source) watch(ctx context.Context, c *control, st *stream) *control {
	tick := time.NewTicker(min(keepTick, s.opts.Watch))
	defer tick.Stop()
	w := watcher{every: keepTick, looked: time.Now(), inspected: time.Now()}
	for {
		select {
		case <-ctx.Done():
			return c
		case <-tick.C:
		}
		now := time.Now()
		s.keeper.keep(ctx, c, now, false)
		if now.Sub(w.looked) < w.every {
			continue
		}
		w.looked = now
		if c == nil {
			var err error
			if c, err = s.openControl(ctx); err != nil {
				c = nil
				continue
			}
		}
		look, err := c.look(ctx)
		if err != nil {
			c.close(ctx)
			c = nil
			continue
		}
		if s.act(ctx, c, st, &w, &look) {
			return c
		}
	}
}

// watcher is when the slot was looked at and the database inspected last, and
// how often the slot has to be.
type watcher struct {
	every             time.Duration
	looked, inspected time.Time
}

// act does what a look calls for, and reports whether it ended the stream.
func (s *Source) act(ctx context.Context, c *control, st *stream, w *watcher, look *slotLook) bool {
	w.every = s.lookEvery(look)
	if s.judge(ctx, c, st, look) {
		return true
	}
	if look.lags() {
		s.nudge(ctx, c, w.looked)
	}
	if w.looked.Sub(w.inspected) < s.opts.Watch {
		return false
	}
	w.inspected = w.looked
	if gap := s.inspect(ctx, c, look.now); gap != nil {
		st.report(gap)
	}
	return false
}

// retentionLimit is how many bytes the retained stretch of time may hold back:
// half of what would cost the slot, with what the server itself holds back for
// the slot taken off, and nothing once half is used up.
func (s *Source) retentionLimit(look *slotLook) uint64 {
	limit := s.opts.MaxLag / 2
	if look.keep < 0 {
		return limit
	}
	half := uint64(look.keep) / 2
	if look.safe >= 0 && uint64(look.safe) < half || look.walStatus == "unreserved" {
		return 0
	}
	return min(limit, half-min(look.owned(), half))
}

// judge ends the stream where the slot says so, and reports whether it did.
func (s *Source) judge(ctx context.Context, c *control, st *stream, look *slotLook) bool {
	s.progress.bound(s.retentionLimit(look))
	if s.progress.heavy() {
		st.reply()
	}
	lost := look.lost()
	// What had piled up when the stream began is read, however much it is; from
	// there the slot may hold back max_lag more than it ever got down to.
	s.ceiling = min(s.ceiling, max(s.opts.MaxLag, look.lag()+s.opts.MaxLag))
	if look.lag() <= s.opts.MaxLag {
		s.ceiling = s.opts.MaxLag
	}
	if look.exists && lost == "" && look.lag() > s.ceiling && s.opts.Create == CreateSlot {
		lost = fmt.Sprintf("the slot held back %d MiB of the server's log, more than max_lag allows", look.lag()>>20)
	}
	if lost == "" {
		if look.walStatus == "unreserved" {
			s.opts.Logger.LogAttrs(ctx, slog.LevelWarn, "the server is about to give the slot up",
				slog.String("slot", s.opts.Slot), slog.Uint64("unconfirmed_bytes", look.lag()))
		}
		return false
	}
	st.interrupt(&problem{class: classLost, op: "watch the slot", err: errors.New(lost)})
	if s.opts.Create == CreateSlot {
		// At once: the handler, which may be what is slow, must not keep the
		// log any longer. The socket is closed so that the server's side ends.
		_ = st.link.Close()
		if err := c.drop(ctx); err != nil && ctx.Err() == nil {
			s.opts.Logger.LogAttrs(ctx, slog.LevelWarn, "the slot could not be dropped",
				slog.String("slot", s.opts.Slot), slog.String("error", err.Error()))
		}
	}
	return true
}
