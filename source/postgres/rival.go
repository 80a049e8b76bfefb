package postgres

import (
	"context"
	"fmt"
	"hash/fnv"
	"log/slog"
	"slices"
	"time"

	"chatbridge/source/postgres/dial"
)

// DefaultSlot is the slot of a bridge that was not told another. Two that have it and
// are not of one cluster are two of which one may have been started by mistake; a
// spare that is meant has a slot of its own name.
const DefaultSlot = "bridge"

// A bridge that stands by has a shared advisory lock of two keys, waitsClass and the
// slot's, by which the reader finds it: anybody may read pg_locks, and the lock is gone
// with the connection.
const waitsClass = 0x62726467

func slotKey(slot string) int32 {
	h := fnv.New32a()
	_, _ = h.Write([]byte(slot))
	return int32(h.Sum32())
}

// rivalsMost bounds how many others are told of.
const rivalsMost = 8

// rivalsSoon is how often the reader of the slot DefaultSlot, or a bridge of a cluster, checks
// for rivals, if Options.Watch is not shorter. Whoever waits cannot tell it: a NOTIFY would
// make the application's commits wait for a lock.
const rivalsSoon = 2 * time.Second

func (s *Source) rivalsEvery() time.Duration {
	if s.opts.Slot == DefaultSlot || s.opts.Self.Cluster != "" {
		return min(rivalsSoon, s.opts.Watch)
	}
	return s.opts.Watch // one of a cluster may wait
}

// rivals are other bridges of the same slot that are not of our cluster, where one of the two
// is of a cluster or the slot is DefaultSlot. Only the goroutine that owns the control uses
// what is not in status.
type rivals struct {
	// seen are those of the last poll, warned those of the last line in the log.
	seen, warned []dial.Bridge
	// since is when the reader was seen first by the bridge that stands by.
	since  time.Time
	reader dial.Bridge
}

// announceWaiting lets the reader of the slot find this bridge, once per connection.
func (c *control) announceWaiting(ctx context.Context) error {
	if c.waits {
		return nil
	}
	ctx, cancel := c.bound(ctx)
	defer cancel()
	if _, err := c.conn.Exec(ctx, `select pg_try_advisory_lock_shared($1::int, $2::int)`, int32(waitsClass), slotKey(c.s.opts.Slot)); err != nil {
		return c.s.classify("tell the reader of the slot that this bridge waits", err)
	}
	c.waits = true
	return nil
}

// endWaiting takes that back.
func (c *control) endWaiting(ctx context.Context) error {
	if !c.waits {
		return nil
	}
	ctx, cancel := c.bound(ctx)
	defer cancel()
	if _, err := c.conn.Exec(ctx, `select pg_advisory_unlock_shared($1::int, $2::int)`, int32(waitsClass), slotKey(c.s.opts.Slot)); err != nil {
		return c.s.classify("take the slot", err)
	}
	c.waits = false
	return nil
}

// waiting returns the bridges that stand by for our slot.
func (c *control) waiting(ctx context.Context) ([]dial.Bridge, error) {
	ctx, cancel := c.bound(ctx)
	defer cancel()
	rows, err := c.conn.Query(ctx, `select distinct coalesce(a.application_name, '') from pg_locks l join pg_stat_activity a using (pid)
		where l.locktype = 'advisory' and l.granted and l.database = (select oid from pg_database where datname = current_database())
			and l.classid = $1::bigint::oid and l.objid = $2::bigint::oid and l.objsubid = 2 and l.pid <> pg_backend_pid()
		order by 1 limit $3`, int64(waitsClass), int64(uint32(slotKey(c.s.opts.Slot))), rivalsMost)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var all []dial.Bridge
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			return nil, err
		}
		if b, ok := dial.ParseBridge(c.s.opts.ApplicationName, name); ok {
			all = append(all, b)
		}
	}
	return all, rows.Err()
}

// strangers are those of bridges that are rivals.
func (s *Source) strangers(bridges []dial.Bridge) []dial.Bridge {
	return slices.DeleteFunc(slices.Clone(bridges), func(b dial.Bridge) bool {
		return b.Joined(s.opts.Self) || s.opts.Slot != DefaultSlot && b.Cluster == "" && s.opts.Self.Cluster == ""
	})
}

// pollRivals notes who stands by for the slot that this bridge reads. One that is
// there at two checks is warned of: at a restart two overlap.
func (s *Source) pollRivals(ctx context.Context, c *control) {
	found, err := c.waiting(ctx)
	if err != nil {
		return // the next poll of the slot says so
	}
	r := &s.rivals
	found = s.strangers(found)
	lasting := slices.DeleteFunc(slices.Clone(found), func(b dial.Bridge) bool { return !slices.Contains(r.seen, b) })
	r.seen = found
	s.setRivals(lasting)
	for _, b := range lasting {
		if !slices.Contains(r.warned, b) {
			s.opts.Logger.LogAttrs(ctx, slog.LevelWarn, "another bridge waits for the slot that this one reads; its clients are sent nothing",
				slog.String("slot", s.opts.Slot), slog.String("other", b.Named()), slog.String("remedy", rivalRemedy))
		}
	}
	r.warned = lasting
}

const rivalRemedy = "if it was started by mistake, stop it, or give it a source.postgres.slot of its own; " +
	"if it is a spare, give both the same source.postgres.slot of another name, or make them one with the same cluster.redis_url and cluster.name"

// sawReader notes which bridge has the slot that this one waits for, and warns once it
// has been that for a while.
func (s *Source) sawReader(ctx context.Context, reader dial.Bridge, now time.Time) {
	r := &s.rivals
	if r.reader != reader || r.since.IsZero() {
		r.reader, r.since = reader, now
	}
	strangers := s.strangers([]dial.Bridge{reader})
	if len(strangers) == 0 || now.Sub(r.since) < s.opts.Watch {
		s.setRivals(nil)
		return
	}
	s.setRivals(strangers)
	if !slices.Contains(r.warned, reader) {
		r.warned = strangers
		s.opts.Logger.LogAttrs(ctx, slog.LevelWarn, "another bridge reads the slot that this one waits for; clients of this one are sent nothing",
			slog.String("slot", s.opts.Slot), slog.String("other", reader.Named()), slog.String("remedy", rivalRemedy))
	}
}

// forgetReader is called when this bridge has the slot.
func (s *Source) forgetReader() {
	s.rivals = rivals{}
	s.setRivals(nil)
}

// refuseReader is the error of Options.Exclusive: somebody of another host reads the
// slot who is of no cluster of ours, and lives. A reader that is silent is none: it is
// ended, and this bridge takes its place.
func (s *Source) refuseReader(reader dial.Bridge, lives bool) error {
	if !s.opts.Exclusive || !lives || reader.Joined(s.opts.Self) || reader.SameHost(s.opts.Self) {
		return nil
	}
	return &problem{
		class: classFatal, op: "check the slot", err: fmt.Errorf("the bridge %s reads the slot %s, and source.postgres.exclusive is true", reader, s.opts.Slot),
		hint: "stop that bridge, or give this one another source.postgres.slot; to stand by for it, set source.postgres.exclusive to false, or make both one with cluster.redis_url and cluster.name",
	}
}
