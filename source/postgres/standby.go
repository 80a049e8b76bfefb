package postgres

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"chatbridge/internal/retry"
	"chatbridge/source/postgres/dial"

	"github.com/jackc/pgx/v5"
)

// holder is the reader of the slot, as a bridge that stands by last saw it. The
// age of its reply is taken from our own monotonic clock, because its clock and
// the server's may both be wrong.
type holder struct {
	pid   uint32
	reply string
	since time.Time // when pid and reply were first seen
	// first is when pid was first seen, replied whether it has replied since.
	first   time.Time
	replied bool
}

// observe notes the reader and its reply at now, and returns the reply's age.
func (h *holder) observe(pid uint32, reply string, now time.Time) time.Duration {
	switch {
	case h.pid != pid:
		*h = holder{pid: pid, reply: reply, since: now, first: now}
	case h.reply != reply:
		h.reply, h.since, h.replied = reply, now, true
	}
	return now.Sub(h.since)
}

// lives reports whether the reader is known to live: by a reply, or, where those are
// not shown, because the server has not ended it for longer than its time-out.
func (h *holder) lives(shown bool, now time.Time, serverTimeout time.Duration) bool {
	return shown && h.replied || now.Sub(h.first) > serverTimeout+serverTimeout/2
}

// holderReply is what the server knows of the reader of the slot.
type holderReply struct {
	name   string // its application_name
	ours   bool   // it is a bridge
	bridge dial.Bridge
	// shown: our role may see its replies.
	shown bool
	// reply changes with each status update that the server receives.
	reply string
}

// holderReply reads the last reply of the reader behind pid. reply_time is by the
// reader's clock, so only a change of it means anything. And a server process
// that is sending a large transaction reads replies only twice in
// wal_sender_timeout, unless the network holds it up (measured): the reply ages
// only while the process waits for its client or for something to do. A role without
// pg_read_all_stats is shown no state and no reply, not even of its own processes:
// then the reply does not age, and a reader that is gone for good is ended by the
// server, after wal_sender_timeout.
func (c *control) holderReply(ctx context.Context, pid uint32) (holderReply, error) {
	ctx, cancel := c.bound(ctx)
	defer cancel()
	var h holderReply
	var replicates bool
	err := c.conn.QueryRow(ctx, `select coalesce(a.application_name, ''), r.pid is not null, r.state is not null, concat_ws(' ', r.backend_start, r.reply_time, r.write_lsn, r.flush_lsn,
			case when r.state is null or a.wait_event_type is null or a.wait_event_type not in ('Activity', 'Client') then clock_timestamp() end)
		from pg_stat_activity a left join pg_stat_replication r using (pid) where a.pid = $1`, pid).Scan(&h.name, &replicates, &h.shown, &h.reply)
	if errors.Is(err, pgx.ErrNoRows) {
		return holderReply{}, nil
	}
	if err != nil {
		return h, c.s.classify("check the reader of the slot", err)
	}
	h.bridge, h.ours = dial.ParseBridge(c.s.opts.ApplicationName, h.name)
	h.ours = h.ours && replicates
	return h, nil
}

// standBy waits for StandbyPoll while another reader has the slot. It ends a
// reader that is a bridge and has not replied for HolderTimeout, and our own of a
// connection that we lost: the server would take up to wal_sender_timeout. A reader
// that is another program is an error: nobody serves the clients meanwhile.
func (s *Source) standBy(ctx context.Context, c *control, pid uint32) error {
	reader, err := c.holderReply(ctx, pid)
	if err != nil {
		return err
	}
	if !reader.ours || pid != s.ownPID {
		if err := s.stoodBy(ctx); err != nil {
			return err
		}
	}
	now := time.Now()
	age := s.holder.observe(pid, reader.reply, now)
	reason := fmt.Sprintf("the bridge %s reads the slot (server process %d)", reader.bridge, pid)
	if !reader.bridge.Joined(s.opts.Self) && reader.bridge.Cluster+s.opts.Self.Cluster != "" {
		reason = fmt.Sprintf("the bridge %s reads the slot %s (server process %d), and this one is %s", reader.bridge.Named(), s.opts.Slot, pid, s.opts.Self.OfCluster())
	}
	if !reader.ours {
		reason = fmt.Sprintf("something else reads the slot (server process %d)", pid)
	}
	switch {
	case !reader.ours && reader.name != "" && !strings.HasPrefix(reader.name, s.opts.ApplicationName): // `bridge check` begins with it
		return &problem{
			class: classSlow, op: "check the slot", err: fmt.Errorf("%s (server process %d), which is no bridge, reads the slot %s, and only one can", reader.name, pid, s.opts.Slot),
			hint: fmt.Sprintf("set source.postgres.slot to another name, or end that reader: SELECT pg_terminate_backend(%d);", pid),
		}
	case reader.ours && pid == s.ownPID:
		if err := c.terminate(ctx, pid); err != nil {
			return err
		}
		return retry.Sleep(ctx, min(s.opts.StandbyPoll, 50*time.Millisecond))
	case reader.ours && age > s.opts.HolderTimeout:
		s.opts.Logger.LogAttrs(ctx, slog.LevelWarn, "ending the reader of the slot, which has gone silent",
			slog.String("slot", s.opts.Slot), slog.Duration("silence", age), slog.Uint64("pid", uint64(pid)))
		if err := c.terminate(ctx, pid); err != nil {
			return err
		}
	case reader.ours:
		if err := s.refuseReader(reader.bridge, s.holder.lives(reader.shown, now, s.opts.ServerTimeout)); err != nil {
			return err
		}
		s.sawReader(ctx, reader.bridge, now)
	}
	if err := c.announceWaiting(ctx); err != nil {
		return err
	}
	s.setState(ctx, Standby, "", reason)
	if !reader.ours {
		reader.bridge = dial.Bridge{}
	}
	s.setReader(reader.bridge)
	poll := time.NewTimer(s.opts.StandbyPoll)
	defer poll.Stop()
	select {
	case <-poll.C:
	case <-s.opts.Freed:
	case <-ctx.Done():
		return ctx.Err()
	}
	return nil
}

// stoodBy tells Options.OnStandby that another reader has the slot, and forgets what
// was handled: who is told of it has what the other one handles.
func (s *Source) stoodBy(ctx context.Context) error {
	if s.opts.OnStandby == nil {
		return nil
	}
	if err := s.opts.OnStandby(ctx); err != nil {
		return err
	}
	s.forget()
	s.keeper.found, s.keeper.file, s.keeper.database, s.keeper.gapReported = Place{}, Place{}, Place{}, false
	s.lostReason = ""
	return nil
}

// forget forgets what was handled, and in which history.
func (s *Source) forget() {
	s.progress.reset()
	s.history, s.expect, s.historyDiffers = identity{}, transactionID{}, false
}
