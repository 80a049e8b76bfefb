package postgres

import (
	"context"
	"fmt"
	"log/slog"
	"time"
)

// holder is the reader of the slot that a bridge which stands by has seen. How
// long it has been silent is judged by our own monotonic clock, from when what
// the server has heard of it last changed: its clock and the server's may both
// be wrong.
type holder struct {
	pid   uint32
	signs string
	since time.Time // the first look at which pid and signs were these
}

// look notes what was seen at now, and returns how long it has been so.
func (h *holder) look(pid uint32, signs string, now time.Time) time.Duration {
	if h.pid != pid || h.signs != signs {
		*h = holder{pid: pid, signs: signs, since: now}
	}
	return now.Sub(h.since)
}

// standBy waits a little while another reader has the slot. One that is a
// bridge and has gone silent, or our own of a connection that we lost, is
// ended: its machine or its network is gone, and the server would take up to
// wal_sender_timeout to find out.
func (s *Source) standBy(ctx context.Context, c *control, pid uint32) error {
	reader, err := c.hears(ctx, pid)
	if err != nil {
		return err
	}
	silence := s.holder.look(pid, reader.signs, time.Now())
	reason := fmt.Sprintf("another bridge reads the slot (server process %d)", pid)
	if !reader.ours {
		reason = fmt.Sprintf("something else reads the slot (server process %d)", pid)
	}
	switch {
	case reader.ours && pid == s.ownPID:
		if err := c.terminate(ctx, pid); err != nil {
			return err
		}
		return sleep(ctx, min(s.opts.StandbyPoll, 50*time.Millisecond))
	case reader.ours && silence > s.opts.HolderSilence:
		s.opts.Logger.LogAttrs(ctx, slog.LevelWarn, "ending the reader of the slot, which has gone silent",
			slog.String("slot", s.opts.Slot), slog.Duration("silence", silence), slog.Uint64("pid", uint64(pid)))
		if err := c.terminate(ctx, pid); err != nil {
			return err
		}
	}
	s.setState(ctx, Standby, "", reason)
	return sleep(ctx, s.opts.StandbyPoll)
}
