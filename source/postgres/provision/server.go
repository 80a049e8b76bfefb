package provision

import (
	"context"
	"fmt"
	"strings"

	"chatbridge/source/postgres"

	"github.com/jackc/pgx/v5"
)

// facts about the server.
type server struct {
	Version     int
	VersionName string
	WALLevel    string
	Effective   string // effective_wal_level, empty before 19
	Recovery    bool
	Encoding    string
	SyncNames   string
	KeepMB      int64
	IdleSlot    int64 // seconds, 0 for none or before 18
	Slots       int
	MaxSlots    int
	Senders     int
	MaxSenders  int
	OurSlot     bool
}

const serverSQL = `
select current_setting('server_version_num')::int, current_setting('server_version'), current_setting('wal_level'),
	coalesce(current_setting('effective_wal_level', true), ''),
	pg_is_in_recovery(), current_setting('server_encoding'), current_setting('synchronous_standby_names'),
	(select setting::bigint from pg_settings where name = 'max_slot_wal_keep_size'),
	coalesce((select setting::bigint from pg_settings where name = 'idle_replication_slot_timeout'), 0),
	(select count(*)::int from pg_replication_slots), current_setting('max_replication_slots')::int,
	(select count(*)::int from pg_stat_replication), current_setting('max_wal_senders')::int,
	exists (select from pg_replication_slots where slot_name = $1)`

// Sizes that max_slot_wal_keep_size is judged by, in MB.
const (
	keepTiny = 256
	keepGood = "4GB"
)

func (r *Report) server(ctx context.Context, conn *pgx.Conn) error {
	rows, err := conn.Query(ctx, serverSQL, r.want.Slot)
	if err != nil {
		return fmt.Errorf("inspect the server: %w", err)
	}
	s, err := pgx.CollectExactlyOneRow(rows, pgx.RowToStructByPos[server])
	if err != nil {
		return fmt.Errorf("inspect the server: %w", err)
	}
	r.version, r.recovery = s.Version, s.Recovery
	r.serverBasics(&s)
	r.serverCapacity(&s)
	r.serverKeep(&s)
	r.serverSync(&s)
	return nil
}

func (r *Report) serverBasics(s *server) {
	if s.Version < 140000 {
		r.add(Finding{
			ID: "server.version", Level: Fail, What: "the server is Postgres " + s.VersionName,
			Meaning: "the bridge needs Postgres 14 or later", Fix: "upgrade the server",
		})
	} else {
		r.ok("server.version", "", "the server is Postgres "+s.VersionName)
	}
	if !postgres.DecodableWAL(s.WALLevel, s.Effective) {
		r.add(Finding{
			ID: "server.wal_level", Level: Fail, What: "wal_level is " + s.WALLevel,
			Meaning: "the server's log does not hold what logical replication needs",
			Fix:     "ALTER SYSTEM SET wal_level = 'logical'; -- then restart the server",
		})
	} else {
		r.ok("server.wal_level", "", "wal_level is "+s.WALLevel)
	}
	if s.Recovery {
		r.add(Finding{
			ID: "server.recovery", Level: Fail, What: "this server is a standby, which is read-only",
			Meaning: "publications cannot be made here, and its slots end with it; a bridge that runs goes on when the server is promoted",
			Fix:     "use the primary's address, or promote this server",
		})
	}
	if s.Encoding != "UTF8" {
		r.add(Finding{
			ID: "server.encoding", Level: Warn, What: "the database's encoding is " + s.Encoding,
			Meaning: "characters outside of it cannot be there, and SQL_ASCII may hold bytes that are no text at all",
			Fix:     "move to a database with ENCODING 'UTF8'",
		})
	}
}

func (r *Report) serverCapacity(s *server) {
	if !s.OurSlot && s.Slots >= s.MaxSlots {
		r.add(Finding{
			ID: "server.slots", Level: Fail, What: fmt.Sprintf("all %d replication slots are in use", s.MaxSlots),
			Meaning: "the bridge cannot create its own",
			Fix: fmt.Sprintf("ALTER SYSTEM SET max_replication_slots = %d; -- then restart the server\n"+
				"-- or drop one that nobody needs: SELECT slot_name, active, wal_status FROM pg_replication_slots; SELECT pg_drop_replication_slot('...');", s.MaxSlots+5),
		})
	} else {
		r.ok("server.slots", "", fmt.Sprintf("%d of %d replication slots are in use", s.Slots, s.MaxSlots))
	}
	if s.Senders >= s.MaxSenders {
		r.add(Finding{
			ID: "server.walsenders", Level: Fail, What: fmt.Sprintf("all %d replication connections are in use", s.MaxSenders),
			Meaning: "the bridge cannot connect for replication",
			Fix:     fmt.Sprintf("ALTER SYSTEM SET max_wal_senders = %d; -- then restart the server", s.MaxSenders+5),
		})
	} else {
		r.ok("server.walsenders", "", fmt.Sprintf("%d of %d replication connections are in use", s.Senders, s.MaxSenders))
	}
	if s.IdleSlot > 0 {
		r.add(Finding{
			ID: "server.idle_slot", Level: Warn, What: fmt.Sprintf("idle_replication_slot_timeout is %d s", s.IdleSlot),
			Meaning: "the slot of a bridge that is down for longer is lost, and with it what changed meanwhile",
			Fix:     "ALTER SYSTEM SET idle_replication_slot_timeout = 0; SELECT pg_reload_conf();",
		})
	}
}

func (r *Report) serverKeep(s *server) {
	const id = "server.slot_keep"
	set := fmt.Sprintf("ALTER SYSTEM SET max_slot_wal_keep_size = '%s'; SELECT pg_reload_conf();", keepGood)
	switch {
	case s.KeepMB < 0:
		r.add(Finding{
			ID: id, Level: Warn, What: "max_slot_wal_keep_size is unlimited",
			Meaning: "while no bridge runs its slot holds back the server's log until the disk is full: source.postgres.max_lag counts only while one does",
			Fix:     set,
		})
	case s.KeepMB < keepTiny:
		r.add(Finding{
			ID: id, Level: Warn, What: fmt.Sprintf("max_slot_wal_keep_size is %d MB", s.KeepMB),
			Meaning: "a short burst of writes is enough to lose the slot while the bridge is down",
			Fix:     set,
		})
	default:
		r.ok(id, "", fmt.Sprintf("max_slot_wal_keep_size is %d MB: what the slot may hold back while no bridge runs; source.postgres.max_lag counts only while one does", s.KeepMB))
	}
}

// serverSync reports a synchronous_standby_names that would make commits wait
// for the bridge.
func (r *Report) serverSync(s *server) {
	names := s.SyncNames
	star := strings.Contains(names, "*")
	if !star && !strings.Contains(strings.ToLower(names), strings.ToLower(r.want.ApplicationName)) {
		return
	}
	fix := "ALTER SYSTEM SET synchronous_standby_names = ''; SELECT pg_reload_conf(); -- or name the real standbys"
	r.add(Finding{
		ID: "server.sync_standby", Level: Fail, What: fmt.Sprintf("synchronous_standby_names is %q", names),
		Meaning: "the bridge counts as a synchronous standby: the application's commits wait for it", Fix: fix,
	})
}
