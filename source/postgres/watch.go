package postgres

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"
)

// watch looks at the slot now and then until ctx ends, and ends the stream
// when the slot is lost or holds back more than it may. It owns c. A look
// that fails is no reason to end a stream that works; the next one connects
// anew.
func (s *Source) watch(ctx context.Context, c *control, st *stream) {
	defer func() {
		if c != nil {
			c.close(ctx)
		}
	}()
	tick := time.NewTicker(s.opts.Watch)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
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
		if s.judge(ctx, c, st, &look) {
			return
		}
	}
}

// judge ends the stream where the slot says so, and reports whether it did.
func (s *Source) judge(ctx context.Context, c *control, st *stream, look *slotLook) bool {
	lost := look.lost()
	if look.exists && lost == "" && look.lag() > s.opts.MaxLag && s.opts.Create == CreateSlot {
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
