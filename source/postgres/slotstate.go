package postgres

import (
	"context"
	"fmt"
	"time"

	"chatbridge/source/postgres/pgoutput"
)

// slotState is the row of pg_replication_slots, and what is compared with it.
// LSNs are 0 where they are null.
type slotState struct {
	exists    bool
	kind      string // logical or physical
	plugin    string
	database  string
	here      bool   // database is the one of the connection
	activePID uint32 // 0 where nobody reads
	walStatus string
	invalid   string // why, from Postgres 17
	synced    bool   // the server copied it from a primary, from Postgres 17
	failover  bool   // standbys copy it, from Postgres 17
	safe      int64  // -1 for no bound
	restart   pgoutput.LSN
	confirmed pgoutput.LSN
	current   pgoutput.LSN // end of the log, slot or not
	keep      int64        // max_slot_wal_keep_size in bytes, -1 for no bound
	now       time.Time    // the server's clock
	// inDatabase is the name of the connection's database, started when the
	// server was started.
	inDatabase, started string
	databaseOID         uint32 // of the connection's
}

const slotStateSQL = `
select s.slot_name is not null, coalesce(s.slot_type, ''), coalesce(s.plugin, ''), coalesce(s.database, ''),
	coalesce(s.database = current_database(), false), coalesce(s.active_pid, 0), coalesce(s.wal_status, ''),
	coalesce(to_jsonb(s) ->> 'invalidation_reason', ''), coalesce((to_jsonb(s) ->> 'synced')::bool, false),
	coalesce((to_jsonb(s) ->> 'failover')::bool, false), coalesce(s.safe_wal_size, -1),
	coalesce(s.restart_lsn, '0/0')::text, coalesce(s.confirmed_flush_lsn, '0/0')::text,
	(case when pg_is_in_recovery() then pg_last_wal_replay_lsn() else pg_current_wal_lsn() end)::text,
	(select case when setting::bigint < 0 then -1 else setting::bigint * 1048576 end
		from pg_settings where name = 'max_slot_wal_keep_size'),
	clock_timestamp(), current_database(), pg_postmaster_start_time()::text,
	(select oid from pg_database where datname = current_database())
from (select) one left join pg_replication_slots s on s.slot_name = $1`

// slotState reads the slot's state.
func (c *control) slotState(ctx context.Context) (slotState, error) {
	ctx, cancel := c.bound(ctx)
	defer cancel()
	var st slotState
	var restart, confirmed, current string
	err := c.conn.QueryRow(ctx, slotStateSQL, c.s.opts.Slot).Scan(
		&st.exists, &st.kind, &st.plugin, &st.database, &st.here, &st.activePID, &st.walStatus, &st.invalid, &st.synced, &st.failover, &st.safe,
		&restart, &confirmed, &current, &st.keep, &st.now, &st.inDatabase, &st.started, &st.databaseOID)
	if err != nil {
		return st, c.s.classify("check the slot", err)
	}
	for _, f := range []struct {
		text string
		lsn  *pgoutput.LSN
	}{{restart, &st.restart}, {confirmed, &st.confirmed}, {current, &st.current}} {
		if *f.lsn, err = pgoutput.ParseLSN(f.text); err != nil {
			return st, fmt.Errorf("check the slot: %w", err)
		}
	}
	if st.exists {
		c.s.setSlot(st)
	}
	return st, nil
}

// lag is how many bytes of the log lie behind the confirmed place.
func (st *slotState) lag() uint64 { return uint64(st.current - min(st.confirmed, st.current)) }

// lost says why the slot cannot be read any more, empty where it can.
func (st *slotState) lost() string {
	switch {
	case st.invalid != "":
		return "the server invalidated the slot (" + st.invalid + ")"
	case st.walStatus == "lost":
		return "the server removed the part of its log that the slot needed (max_slot_wal_keep_size)"
	}
	return ""
}

// restartLag is how many bytes of the log the server holds back for the slot
// beyond what is not confirmed.
func (st *slotState) restartLag() uint64 { return uint64(st.confirmed - min(st.restart, st.confirmed)) }

// restartLags reports whether restart_lsn is so far behind what is confirmed that
// the slot may be lost.
func (st *slotState) restartLags() bool {
	return st.keep >= 0 && st.restart != 0 && st.restartLag() > uint64(st.keep)/8
}
