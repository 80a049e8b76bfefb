package postgres

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"chatbridge/source/postgres/dial"
	"chatbridge/source/postgres/pgoutput"

	"github.com/jackc/pgx/v5"
)

// control is the ordinary connection beside the stream. One goroutine uses it
// at a time: first the one that prepares the stream, then the one that
// watches the slot.
type control struct {
	s    *Source
	conn *pgx.Conn
	// object is the large object that keeps the place, 0 where none is known.
	object uint32
}

// createTimeout bounds the creation of a slot, which waits for one writing
// transaction after the other, for each at most lockTimeout.
const createTimeout = time.Minute

// bound limits one question to the server: on a connection whose network has
// gone an answer would never come.
func (c *control) bound(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, c.s.opts.Connect)
}

// oldest is the lowest server version that the bridge works with.
const oldest = 140000

// lockTimeout bounds how long creating a slot waits for the transactions that
// are writing, in the whole cluster.
const lockTimeout = "10s"

// openControl connects.
func (s *Source) openControl(ctx context.Context) (*control, error) {
	cfg, err := dial.Config(s.opts.URL, s.opts.ApplicationName)
	if err != nil {
		return nil, &problem{class: classFatal, op: "read the database's URL", err: err}
	}
	cfg.RuntimeParams["lock_timeout"] = lockTimeout
	cfg.RuntimeParams["statement_timeout"] = "0"
	ctx, cancel := context.WithTimeout(ctx, s.opts.Connect)
	defer cancel()
	conn, err := pgx.ConnectConfig(ctx, cfg)
	if err != nil {
		return nil, s.classify("connect", err)
	}
	return &control{s: s, conn: conn}, nil
}

func (c *control) close(ctx context.Context) { dial.Close(ctx, c.conn) }

// encoding is the database's, as the server says it.
func (c *control) encoding() string { return c.conn.PgConn().ParameterStatus("server_encoding") }

// checkServer looks at what has to be right before there can be a slot. A
// publication that is missing may be one that Inspect makes.
func (s *Source) checkServer(ctx context.Context, c *control) error {
	err := c.checkServer(ctx)
	if errors.Is(err, errNoPublication) && s.opts.Inspect != nil {
		bounded, cancel := c.bound(ctx)
		_, _ = s.opts.Inspect(bounded, c.conn)
		cancel()
		err = c.checkServer(ctx)
	}
	return err
}

var errNoPublication = errors.New("it does not exist")

// system returns the server's system identifier, empty where our role may not
// ask for it.
func (c *control) system(ctx context.Context) string {
	ctx, cancel := c.bound(ctx)
	defer cancel()
	var id string
	_ = c.conn.QueryRow(ctx, "select system_identifier::text from pg_control_system()").Scan(&id)
	return id
}

// checkServer looks at what has to be right before there can be a slot.
func (c *control) checkServer(ctx context.Context) error {
	ctx, cancel := c.bound(ctx)
	defer cancel()
	var walLevel, dateStyle string
	var published bool
	var version int
	err := c.conn.QueryRow(ctx, `select current_setting('server_version_num')::int, current_setting('wal_level'),
		current_setting('datestyle'), exists (select from pg_publication where pubname = $1)`,
		c.s.opts.Publication).Scan(&version, &walLevel, &dateStyle, &published)
	if err != nil {
		return c.s.classify("look at the server", err)
	}
	c.s.setVersion(version)
	const op = "look at the server"
	switch {
	case version < oldest:
		return &problem{class: classSlow, op: op, err: fmt.Errorf("it is Postgres %d", version/10000), hint: "upgrade to Postgres 14 or later"}
	case walLevel != "logical":
		return &problem{class: classSlow, op: op, err: fmt.Errorf("wal_level is %s", walLevel), hint: hintWALLevel}
	case !published:
		return &problem{
			class: classSlow, op: op, hint: c.s.publicationHint(),
			err: fmt.Errorf("the publication %s: %w", c.s.opts.Publication, errNoPublication),
		}
	}
	return nil
}

// slotLook is what pg_replication_slots says of the slot. The LSNs are 0
// where they are null.
type slotLook struct {
	exists    bool
	kind      string // logical or physical
	plugin    string
	database  string
	here      bool   // database is the one of the connection
	activePID uint32 // 0 where nobody reads
	walStatus string
	invalid   string // why, from Postgres 17
	safe      int64  // -1 for no bound
	restart   pgoutput.LSN
	confirmed pgoutput.LSN
	current   pgoutput.LSN // end of the log, slot or not
	keep      int64        // max_slot_wal_keep_size in bytes, -1 for no bound
	now       time.Time    // the server's clock
	// inDatabase is the name of the connection's database, started when the
	// server was.
	inDatabase, started string
}

const lookSQL = `
select s.slot_name is not null, coalesce(s.slot_type, ''), coalesce(s.plugin, ''), coalesce(s.database, ''),
	coalesce(s.database = current_database(), false), coalesce(s.active_pid, 0), coalesce(s.wal_status, ''),
	coalesce(to_jsonb(s) ->> 'invalidation_reason', ''), coalesce(s.safe_wal_size, -1),
	coalesce(s.restart_lsn, '0/0')::text, coalesce(s.confirmed_flush_lsn, '0/0')::text,
	(case when pg_is_in_recovery() then pg_last_wal_replay_lsn() else pg_current_wal_lsn() end)::text,
	(select case when setting::bigint < 0 then -1 else setting::bigint * 1048576 end
		from pg_settings where name = 'max_slot_wal_keep_size'),
	clock_timestamp(), current_database(), pg_postmaster_start_time()::text
from (select) one left join pg_replication_slots s on s.slot_name = $1`

// look asks for the slot's state.
func (c *control) look(ctx context.Context) (slotLook, error) {
	ctx, cancel := c.bound(ctx)
	defer cancel()
	var l slotLook
	var restart, confirmed, current string
	err := c.conn.QueryRow(ctx, lookSQL, c.s.opts.Slot).Scan(
		&l.exists, &l.kind, &l.plugin, &l.database, &l.here, &l.activePID, &l.walStatus, &l.invalid, &l.safe,
		&restart, &confirmed, &current, &l.keep, &l.now, &l.inDatabase, &l.started)
	if err != nil {
		return l, c.s.classify("look at the slot", err)
	}
	for _, f := range []struct {
		text string
		lsn  *pgoutput.LSN
	}{{restart, &l.restart}, {confirmed, &l.confirmed}, {current, &l.current}} {
		if *f.lsn, err = pgoutput.ParseLSN(f.text); err != nil {
			return l, fmt.Errorf("look at the slot: %w", err)
		}
	}
	if l.exists {
		c.s.setSlot(l)
	}
	return l, nil
}

// lag is how many bytes of the log lie behind the confirmed place.
func (l *slotLook) lag() uint64 { return uint64(l.current - min(l.confirmed, l.current)) }

// lost says why the slot cannot be read any more, empty where it can.
func (l *slotLook) lost() string {
	switch {
	case l.invalid != "":
		return "the server invalidated the slot (" + l.invalid + ")"
	case l.walStatus == "lost":
		return "the server removed the part of its log that the slot needed (max_slot_wal_keep_size)"
	}
	return ""
}

// create makes the slot. It waits for the transactions that are writing.
func (c *control) create(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, createTimeout)
	defer cancel()
	if _, err := c.conn.Exec(ctx, "select pg_create_logical_replication_slot($1, 'pgoutput')", c.s.opts.Slot); err != nil {
		return c.s.classify("create the slot", err)
	}
	return nil
}

// drop drops the slot. A reader that is just ending may hold it for a moment.
func (c *control) drop(ctx context.Context) error {
	ctx, cancel := c.bound(ctx)
	defer cancel()
	const pause = 50 * time.Millisecond
	for attempt := 0; ; attempt++ {
		_, err := c.conn.Exec(ctx, `select pg_drop_replication_slot(slot_name) from pg_replication_slots where slot_name = $1`, c.s.opts.Slot)
		if err == nil {
			return nil
		}
		err = c.s.classify("drop the slot", err)
		var p *problem
		if !errors.As(err, &p) || p.class != classBusy || attempt == 100 {
			return err
		}
		if err := sleep(ctx, pause); err != nil {
			return err
		}
	}
}

// holderSigns is what a reader of the slot last said of itself.
type holderSigns struct {
	ours  bool   // its application is ours
	signs string // changes whenever the server hears of it
}

// hears asks for the signs of life of the reader behind pid. Its reply_time is
// by its own clock, so only whether it changes means anything. And a server
// process that is sending a large transaction looks at what it hears only twice
// in wal_sender_timeout, unless the network holds it up (measured): silence
// counts only while it waits for its client or for something to do.
func (c *control) hears(ctx context.Context, pid uint32) (holderSigns, error) {
	ctx, cancel := c.bound(ctx)
	defer cancel()
	var h holderSigns
	err := c.conn.QueryRow(ctx, `select r.application_name = $2, concat_ws(' ', r.backend_start, r.reply_time, r.write_lsn, r.flush_lsn,
			case when a.wait_event_type is null or a.wait_event_type not in ('Activity', 'Client') then clock_timestamp() end)
		from pg_stat_replication r join pg_stat_activity a using (pid) where r.pid = $1 and r.application_name is not null`, pid, c.s.opts.ApplicationName).Scan(&h.ours, &h.signs)
	if errors.Is(err, pgx.ErrNoRows) {
		return holderSigns{}, nil
	}
	if err != nil {
		return h, c.s.classify("look at the reader of the slot", err)
	}
	return h, nil
}

// terminate ends the walsender behind pid, if it still holds the slot.
func (c *control) terminate(ctx context.Context, pid uint32) error {
	ctx, cancel := c.bound(ctx)
	defer cancel()
	_, err := c.conn.Exec(ctx, `select pg_terminate_backend(active_pid) from pg_replication_slots where slot_name = $1 and active_pid = $2`,
		c.s.opts.Slot, pid)
	if err != nil {
		return c.s.classify("end the silent reader "+strconv.Itoa(int(pid)), err)
	}
	return nil
}

// sleep waits for d or the end of ctx, whose error it returns.
func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
