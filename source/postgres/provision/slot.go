package provision

import (
	"context"
	"errors"
	"fmt"

	"chatbridge/internal/sqlquote"
	"chatbridge/source/postgres/dial"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// slotState is what pg_replication_slots says.
type slotState struct {
	Kind, Plugin, Database string
	Here, Temporary        bool
	ActivePID              int32
	Application            string
	WALStatus, Invalid     string
	Lag                    int64
	// PublicationYounger: the publication may have been created after the place that
	// the slot stands at. Transaction ids cannot tell for sure: a slot holds back those
	// that an older slot, or a transaction that was open, held back when it was made.
	PublicationYounger bool
	// Failover: standbys copy it. Synced: it is such a copy. From Postgres 17.
	Failover, Synced bool
}

const slotSQL = `
select s.slot_type, coalesce(s.plugin, ''), coalesce(s.database, ''), coalesce(s.database = current_database(), false),
	s.temporary, coalesce(s.active_pid, 0), coalesce((select a.application_name from pg_stat_activity a where a.pid = s.active_pid), ''),
	coalesce(s.wal_status, ''), coalesce(to_jsonb(s) ->> 'invalidation_reason', ''),
	coalesce(pg_wal_lsn_diff(case when pg_is_in_recovery() then pg_last_wal_replay_lsn() else pg_current_wal_lsn() end,
		s.confirmed_flush_lsn), 0)::bigint,
	coalesce((select age(p.xmin) <= age(s.catalog_xmin) from pg_publication p where p.pubname = $2), false),
	coalesce((to_jsonb(s) ->> 'failover')::bool, false), coalesce((to_jsonb(s) ->> 'synced')::bool, false)
from pg_replication_slots s where s.slot_name = $1`

func (r *Report) slot(ctx context.Context, conn *pgx.Conn) error {
	rows, err := conn.Query(ctx, slotSQL, r.want.Slot, r.want.Publication)
	if err != nil {
		return fmt.Errorf("inspect the slot: %w", err)
	}
	s, err := pgx.CollectExactlyOneRow(rows, pgx.RowToStructByPos[slotState])
	missing := errors.Is(err, pgx.ErrNoRows)
	switch {
	case err != nil && !missing:
		return fmt.Errorf("inspect the slot: %w", err)
	case r.recovery:
		r.slotExists = !missing
		return r.slotOnStandby(ctx, conn, &s, r.slotExists)
	case missing && r.willCreate(r.mayReplicate):
		r.ok("slot.missing", r.want.Slot, fmt.Sprintf("there is no slot %s yet: `bridge serve` creates it", r.want.Slot))
		return nil
	case missing:
		meaning := "nothing keeps changes for the bridge while it is away; `bridge serve` creates it when it may"
		if r.want.Check && !r.want.Creates {
			meaning = "nothing keeps changes for the bridge while it is away, and source.postgres.create is never"
		}
		r.add(Finding{
			ID: "slot.missing", Object: r.want.Slot, Level: Fail, What: fmt.Sprintf("the slot %s does not exist", r.want.Slot),
			Meaning: meaning, Fix: r.createSlot(),
		})
		return nil
	}
	r.slotExists = true
	if !r.slotUsable(&s) {
		return nil
	}
	r.slotNotes(&s)
	if err := r.slotOlder(ctx, conn, &s); err != nil {
		return err
	}
	return r.slotForStandbys(ctx, conn, &s)
}

// slotUsable reports what keeps the slot from being read, and returns whether
// nothing does.
func (r *Report) slotUsable(s *slotState) bool {
	name := r.want.Slot
	fail := func(id, what, meaning, fix string) {
		r.add(Finding{ID: id, Object: name, Level: Fail, What: what, Meaning: meaning, Fix: fix})
	}
	const another = "set source.postgres.slot to another name"
	switch {
	case s.Kind != "logical":
		fail("slot.kind", fmt.Sprintf("the slot %s is a %s one", name, s.Kind), "it belongs to something else", another)
		return false
	case s.Plugin != "pgoutput":
		fail("slot.plugin", fmt.Sprintf("the slot %s is of the plugin %s", name, s.Plugin), "it belongs to something else", another)
		return false
	case !s.Here:
		fail("slot.database", fmt.Sprintf("the slot %s belongs to the database %s", name, s.Database), "a slot reads one database", another)
		return false
	case s.Temporary:
		fail("slot.temporary", fmt.Sprintf("the slot %s is temporary", name), "it belongs to another session and ends with it", another)
		return false
	case s.WALStatus == "lost" || s.Invalid != "":
		r.slotLost = true
		fail("slot.lost", fmt.Sprintf("the slot %s is lost %s", name, s.Invalid),
			"what changed since it was read last is gone; `bridge serve` makes it anew when it may", r.replaceSlot())
		return false
	}
	return true
}

func (r *Report) slotNotes(s *slotState) {
	name := r.want.Slot
	warn := func(id, what, meaning, fix string) {
		r.add(Finding{ID: id, Object: name, Level: Warn, What: what, Meaning: meaning, Fix: fix})
	}
	mib := s.Lag >> 20
	switch {
	case s.Lag > int64(r.want.MaxLag):
		warn("slot.lag", fmt.Sprintf("the slot %s is %d MiB behind", name, mib),
			"that is more than source.postgres.max_lag; a bridge that starts reads it all the same, and gives the slot up only if it falls behind by max_lag more",
			"start the bridge")
	case s.Lag > int64(r.want.MaxLag)/2:
		warn("slot.lag", fmt.Sprintf("the slot %s is %d MiB behind", name, mib),
			"past source.postgres.max_lag it is given up", "start the bridge, or raise source.postgres.max_lag")
	default:
		r.ok("slot.lag", name, fmt.Sprintf("the slot %s is %d MiB behind", name, mib))
	}
	if s.WALStatus == "unreserved" {
		warn("slot.unreserved", fmt.Sprintf("the server is about to give the slot %s up", name),
			"at the next checkpoint it may be lost", "start the bridge now, or raise max_slot_wal_keep_size")
	}
	switch {
	case s.ActivePID == 0:
	case s.Application == "":
		r.ok("slot.active", name, fmt.Sprintf("a bridge reads the slot %s; another stands by", name))
	default:
		if b, ok := dial.ParseBridge(r.want.ApplicationName, s.Application); ok {
			if b.Joined(dial.Bridge{Cluster: r.want.Cluster}) || b.Cluster == "" && r.want.Cluster == "" {
				r.ok("slot.active", name, fmt.Sprintf("the bridge %s reads the slot %s; another stands by", b, name))
				break
			}
			warn("slot.active", fmt.Sprintf("the bridge %s reads the slot %s, and this one is %s", b.Named(), name, dial.Bridge{Cluster: r.want.Cluster}.OfCluster()),
				"only one can: clients of the other are sent nothing", "give all bridges of this slot the same cluster.name and cluster.redis_url, or each cluster a source.postgres.slot of its own")
			break
		}
		r.add(Finding{
			ID: "slot.active", Object: name, Level: Fail, What: fmt.Sprintf("%s reads the slot %s", s.Application, name),
			Meaning: "only one can", Fix: another(s.ActivePID),
		})
	}
}

func another(pid int32) string {
	return fmt.Sprintf("set source.postgres.slot to another name, or end it: SELECT pg_terminate_backend(%d);", pid)
}

// peekTimeout bounds how long a slot is tried.
const peekTimeout = "5s"

// slotOlder reports a slot that cannot get past a change from before its publication.
// Only reading tells: nothing is taken from the slot by it.
func (r *Report) slotOlder(ctx context.Context, conn *pgx.Conn, s *slotState) error {
	if !r.want.Check || !s.PublicationYounger || s.ActivePID != 0 {
		return nil
	}
	if _, err := conn.Exec(ctx, "set statement_timeout = '"+peekTimeout+"'"); err != nil {
		return fmt.Errorf("inspect the slot: %w", err)
	}
	_, err := conn.Exec(ctx, fmt.Sprintf("select count(*) from pg_logical_slot_peek_binary_changes(%s, null, 1, 'proto_version', '1', 'publication_names', %s)",
		sqlquote.Literal(r.want.Slot), sqlquote.Literal(quoteIdent(r.want.Publication))))
	if _, reset := conn.Exec(ctx, "reset statement_timeout"); reset != nil {
		return fmt.Errorf("inspect the slot: %w", reset)
	}
	var pg *pgconn.PgError
	if !errors.As(err, &pg) || pg.Code != "42704" {
		return nil // it can be read, or that is not known: a bridge may have taken it
	}
	r.add(Finding{
		ID: "slot.older", Object: r.want.Slot, Level: Warn, What: fmt.Sprintf("the slot %s stands at a place before the publication %s: %s", r.want.Slot, r.want.Publication, pg.Message),
		Meaning: "it cannot be read past that place; the bridge makes it anew when it starts, and reports a gap", Fix: r.replaceSlot(),
	})
	return nil
}
