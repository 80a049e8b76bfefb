package provision

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"chatbridge/source/postgres"

	"github.com/jackc/pgx/v5"
)

// failoverSince is the server version from which standbys can copy slots.
const failoverSince = 170000

// standbys is what decides whether a promoted standby continues the slot.
type standbys struct {
	// Named is synchronized_standby_slots: the physical slots whose standbys must
	// have received what a failover slot's reader is sent.
	Named string
	// Read are the physical slots that a standby reads now.
	Read []string
	// The rest are settings of a standby. ConnInfo is null where the role may not
	// see it.
	Sync, Feedback bool
	PrimarySlot    string
	ConnInfo       *string
}

const standbysSQL = `
select coalesce(current_setting('synchronized_standby_slots', true), ''),
	array(select slot_name::text from pg_replication_slots where slot_type = 'physical' and active order by 1),
	coalesce(current_setting('sync_replication_slots', true)::bool, false), current_setting('hot_standby_feedback')::bool,
	current_setting('primary_slot_name'), (select setting from pg_settings where name = 'primary_conninfo')`

func (r *Report) standbys(ctx context.Context, conn *pgx.Conn) (standbys, error) {
	rows, err := conn.Query(ctx, standbysSQL)
	if err != nil {
		return standbys{}, fmt.Errorf("inspect the standbys: %w", err)
	}
	s, err := pgx.CollectExactlyOneRow(rows, pgx.RowToStructByPos[standbys])
	if err != nil {
		return s, fmt.Errorf("inspect the standbys: %w", err)
	}
	return s, nil
}

// slotForStandbys reports, on a primary, whether its standbys can continue the
// slot, and what they can do to its reader.
func (r *Report) slotForStandbys(ctx context.Context, conn *pgx.Conn, slot *slotState) error {
	if r.version < failoverSince {
		return nil
	}
	s, err := r.standbys(ctx, conn)
	if err != nil {
		return err
	}
	name := r.want.Slot
	switch {
	case slot.Failover:
		r.ok("slot.failover", name, fmt.Sprintf("the slot %s is one that standbys copy", name))
		r.synchronizedStandbys(&s)
	case r.want.NoFailover:
		r.ok("slot.failover", name, fmt.Sprintf("the slot %s is one that standbys do not copy (source.postgres.failover_slot)", name))
	case len(s.Read) > 0:
		r.add(Finding{
			ID: "slot.failover", Object: name, Level: Warn, What: fmt.Sprintf("the slot %s is one that standbys do not copy", name),
			Meaning: "a standby that is promoted does not have it: what changes until the bridge follows that one is reported as a gap",
			Fix: "start the bridge again, which alters it when source.postgres.create is auto; or, while no bridge runs:\n" +
				`psql "<address of the database> replication=database" -c '` + postgres.AlterFailoverSQL(name, true) + "'",
		})
	}
	return nil
}

// synchronizedStandbys compares synchronized_standby_slots with the standbys that
// are there.
func (r *Report) synchronizedStandbys(s *standbys) {
	var missing []string
	for name := range strings.SplitSeq(s.Named, ",") {
		if name = strings.Trim(name, ` "`); name != "" && !slices.Contains(s.Read, name) {
			missing = append(missing, name)
		}
	}
	add := func(level Level, what, meaning, fix string) {
		r.add(Finding{ID: "slot.standbys", Object: r.want.Slot, Level: level, What: what, Meaning: meaning, Fix: fix})
	}
	set := fmt.Sprintf("ALTER SYSTEM SET synchronized_standby_slots = '%s'; SELECT pg_reload_conf();", strings.Join(s.Read, ", "))
	switch {
	case len(missing) > 0:
		add(Fail, "synchronized_standby_slots names "+strings.Join(missing, ", ")+", which no standby reads",
			"the server sends the bridge nothing that this standby has not received", set+" -- or bring that standby back")
	case s.Named == "" && len(s.Read) > 0:
		add(Warn, "synchronized_standby_slots names no standby",
			"the bridge may deliver what a standby has not received yet: if that one is promoted, this is reported as a gap",
			set+" -- those that may be promoted; while one of them is away the bridge waits for it")
	case s.Named != "":
		r.ok("slot.standbys", r.want.Slot, "the bridge delivers only what "+s.Named+" has received (synchronized_standby_slots)")
	}
}

// slotOnStandby reports, on a standby, whether it has a copy of the slot; exists
// tells whether it has any slot of that name.
func (r *Report) slotOnStandby(ctx context.Context, conn *pgx.Conn, slot *slotState, exists bool) error {
	const id = "slot.synchronized"
	name := r.want.Slot
	warn := func(what, meaning, fix string) {
		r.add(Finding{ID: id, Object: name, Level: Warn, What: what, Meaning: meaning, Fix: fix})
	}
	const promoted = "if this server is promoted, what changes until the bridge follows it is reported as a gap"
	if r.version < failoverSince {
		warn("this server's version copies no slots from its primary", promoted, "upgrade to Postgres 17 or later")
		return nil
	}
	s, err := r.standbys(ctx, conn)
	if err != nil {
		return err
	}
	switch {
	case exists && !slot.Synced:
		warn(fmt.Sprintf("the slot %s of this standby is no copy of the primary's", name), "it keeps the primary's from being copied; "+promoted, r.dropSlot())
	case exists && (slot.WALStatus == "lost" || slot.Invalid != ""):
		warn(fmt.Sprintf("this standby's copy of the slot %s is lost %s", name, slot.Invalid), promoted, r.copySlots(&s))
	case exists && slot.Temporary:
		warn(fmt.Sprintf("this standby's copy of the slot %s is not ready", name),
			promoted+"; it is ready once the primary's slot has moved past the place where the copy began, which takes replay.window and up to two minutes more", r.copySlots(&s))
	case exists:
		r.ok(id, name, fmt.Sprintf("this standby has a copy of the slot %s: if it is promoted, the bridge goes on without a gap", name))
	default:
		warn(fmt.Sprintf("this standby has no copy of the slot %s", name), promoted, r.copySlots(&s))
	}
	return nil
}

// copySlots returns what lets a standby copy slots: the settings that it lacks.
func (r *Report) copySlots(s *standbys) string {
	var fix []string
	set := func(name, value string) { fix = append(fix, "ALTER SYSTEM SET "+name+" = "+value+";") }
	if !s.Sync {
		set("sync_replication_slots", "on")
	}
	if !s.Feedback {
		set("hot_standby_feedback", "on")
	}
	if s.PrimarySlot == "" {
		set("primary_slot_name", "'...'")
		fix[len(fix)-1] += " -- a physical slot for this standby alone, made on the primary: SELECT pg_create_physical_replication_slot('...');"
	}
	if s.ConnInfo != nil && !strings.Contains(*s.ConnInfo, "dbname") && !strings.Contains(*s.ConnInfo, "://") {
		fix = append(fix, "-- add dbname=postgres to primary_conninfo: slots are copied through a database")
	}
	if len(fix) > 0 {
		fix = append(fix, "SELECT pg_reload_conf();")
	} else {
		fix = append(fix, "run `bridge check` against the primary: its slot has to be one that standbys copy; then wait")
	}
	return strings.Join(fix, "\n")
}
