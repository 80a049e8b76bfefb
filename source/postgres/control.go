package postgres

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"time"

	"chatbridge/internal/retry"
	"chatbridge/source/postgres/dial"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// control is the ordinary connection beside the stream. One goroutine owns it at
// a time: the one that called Run while it prepares or ends the stream, watch in
// between.
type control struct {
	s    *Source
	conn *pgx.Conn
	// waits: it has announced itself to the slot's reader.
	waits bool
	// object is the large object that holds the place, 0 where none is known.
	object uint32
}

// createTimeout bounds the creation of a slot, which waits for one writing
// transaction after the other, for each at most lockTimeout.
const createTimeout = time.Minute

// bound limits one query: on a connection whose network is gone an answer would
// never come.
func (c *control) bound(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, c.s.opts.Connect)
}

// oldest is the lowest server version that the bridge works with.
const oldest = 140000

// lockTimeout bounds how long creating a slot waits for the transactions that
// are writing, in the whole cluster.
const lockTimeout = "10s"

// setPassword puts the password of now in.
func (s *Source) setPassword(cfg *pgconn.Config) {
	if s.opts.Password == nil {
		return
	}
	if p := s.opts.Password(); p != "" {
		cfg.Password = p
	}
}

// openControl connects.
func (s *Source) openControl(ctx context.Context) (*control, error) {
	cfg, err := dial.Config(s.opts.URL, s.opts.Self.Application(s.opts.ApplicationName))
	if err != nil {
		return nil, &problem{class: classFatal, op: "read the database's URL", err: err}
	}
	s.setPassword(&cfg.Config)
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

// encoding returns the database's encoding.
func (c *control) encoding() string { return c.conn.PgConn().ParameterStatus("server_encoding") }

// checkServer checks what a slot needs. Inspect may create a publication that is
// missing.
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

// checkServer checks the version, that it is a primary, wal_level and the
// publication.
func (c *control) checkServer(ctx context.Context) error {
	ctx, cancel := c.bound(ctx)
	defer cancel()
	var walLevel, effective, dateStyle string
	var published, recovery bool
	var version int
	err := c.conn.QueryRow(ctx, `select current_setting('server_version_num')::int, current_setting('wal_level'),
		coalesce(current_setting('effective_wal_level', true), ''), current_setting('datestyle'), exists (select from pg_publication where pubname = $1), pg_is_in_recovery()`,
		c.s.opts.Publication).Scan(&version, &walLevel, &effective, &dateStyle, &published, &recovery)
	if err != nil {
		return c.s.classify("check the server", err)
	}
	c.s.setVersion(version)
	const op = "check the server"
	switch {
	case version < oldest:
		return &problem{class: classSlow, op: op, err: fmt.Errorf("it is Postgres %d", version/10000), hint: "upgrade to Postgres 14 or later"}
	case recovery:
		// Its log may end before what was handled, and its timeline be the one
		// before; and a slot made here would be in the way of a copy of the primary's.
		return &problem{class: classRetry, op: op, err: errors.New("it is a standby"), hint: "use the primary's address, or promote it: the bridge goes on then"}
	case !DecodableWAL(walLevel, effective):
		return &problem{class: classSlow, op: op, err: fmt.Errorf("wal_level is %s", walLevel), hint: hintWALLevel}
	case !published:
		return &problem{
			class: classSlow, op: op, hint: c.s.publicationHint(),
			err: fmt.Errorf("the publication %s: %w", c.s.opts.Publication, errNoPublication),
		}
	}
	return nil
}

// DecodableWAL reports whether a slot can be made with these settings of wal_level
// and effective_wal_level. The latter exists from Postgres 19 on, is empty before,
// and rises to logical with the first logical slot where wal_level is at least replica.
func DecodableWAL(walLevel, effective string) bool {
	return walLevel == "logical" || effective == "logical" || effective != "" && walLevel == "replica"
}

// hasRoom returns an error where no slot can be made because all are in use: before it
// is told that one is being made, and what that may wait for.
func (c *control) hasRoom(ctx context.Context) error {
	ctx, cancel := c.bound(ctx)
	defer cancel()
	var used, most int
	err := c.conn.QueryRow(ctx, `select count(*)::int, current_setting('max_replication_slots')::int from pg_replication_slots`).Scan(&used, &most)
	switch {
	case err != nil:
		return c.s.classify("count the slots", err)
	case used >= most:
		return &problem{class: classSlow, op: "create the slot", err: fmt.Errorf("all replication slots are in use (%d of %d)", used, most), hint: hintSlots}
	}
	return nil
}

// create makes the slot. It waits for the transactions that are writing.
func (c *control) create(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, createTimeout)
	defer cancel()
	failover := c.s.wantsFailover()
	_, err := c.conn.Exec(ctx, CreateSlotSQL(c.s.opts.Slot, c.s.version(), failover))
	if failover && refusesFailover(err) {
		c.s.opts.Logger.LogAttrs(ctx, slog.LevelWarn, "the server makes no slot that standbys copy, or not for this role",
			slog.String("slot", c.s.opts.Slot), slog.String("error", err.Error()))
		_, err = c.conn.Exec(ctx, CreateSlotSQL(c.s.opts.Slot, c.s.version(), false))
	}
	if err != nil {
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
		if err := retry.Sleep(ctx, pause); err != nil {
			return err
		}
	}
}

// terminate ends the walsender behind pid, if it still holds the slot.
func (c *control) terminate(ctx context.Context, pid uint32) error {
	ctx, cancel := c.bound(ctx)
	defer cancel()
	_, err := c.conn.Exec(ctx, `select pg_terminate_backend(active_pid) from pg_replication_slots where slot_name = $1 and active_pid = $2`,
		c.s.opts.Slot, pid)
	if err != nil {
		return c.s.classify("end the reader "+strconv.Itoa(int(pid)), err)
	}
	return nil
}
