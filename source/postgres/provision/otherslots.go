package provision

import (
	"context"
	"fmt"

	"chatbridge/internal/sqlquote"
	"chatbridge/source/postgres"

	"github.com/jackc/pgx/v5"
)

// otherSlot is another logical slot of this database that nobody reads.
type otherSlot struct {
	Name  string
	Held  int64
	Text  string // Held for people
	Since string // from Postgres 17
}

// otherSlots lists the slots of this database that nobody reads, with what they hold
// back: a bridge that is gone, or ran under another name, leaves its slot behind.
func (r *Report) otherSlots(ctx context.Context, conn *pgx.Conn) error {
	if !r.want.Check || r.recovery {
		return nil
	}
	rows, err := conn.Query(ctx, `select s.slot_name::text, coalesce(pg_wal_lsn_diff(pg_current_wal_lsn(), s.restart_lsn), 0)::bigint,
			pg_size_pretty(coalesce(pg_wal_lsn_diff(pg_current_wal_lsn(), s.restart_lsn), 0)), coalesce(to_jsonb(s) ->> 'inactive_since', '')
		from pg_replication_slots s
		where s.slot_type = 'logical' and s.database = current_database() and not s.active and not s.temporary and s.slot_name <> $1 order by 2 desc, 1`, r.want.Slot)
	if err != nil {
		return fmt.Errorf("inspect the other slots: %w", err)
	}
	slots, err := pgx.CollectRows(rows, pgx.RowToStructByPos[otherSlot])
	if err != nil {
		return fmt.Errorf("inspect the other slots: %w", err)
	}
	for _, s := range slots {
		what := fmt.Sprintf("nobody reads the slot %s, for which the server keeps %s of its log", s.Name, s.Text)
		if s.Since != "" {
			what += ", since " + s.Since
		}
		first, last := postgres.Objects(s.Name)
		var bridges bool
		if err := conn.QueryRow(ctx, `select exists (select from pg_largeobject_metadata where oid::int8 between $1::int8 and $2::int8)`, int64(first), int64(last)).Scan(&bridges); err != nil {
			return fmt.Errorf("inspect the other slots: %w", err)
		}
		if bridges {
			what += "; it is a bridge's"
		}
		f := Finding{ID: "slot.unread", Object: s.Name, Level: OK, What: what}
		if s.Held > int64(r.want.MaxLag)/2 { // as of our own
			f.Level, f.Meaning = Warn, "that grows until somebody reads it, or max_slot_wal_keep_size ends it"
			f.Fix = fmt.Sprintf("SELECT pg_drop_replication_slot(%s); -- if nobody will read it again", sqlquote.Literal(s.Name))
			if bridges {
				f.Fix += fmt.Sprintf("\n-- or all that its bridge left: bridge setup --remove --apply --source.postgres.slot=%s", s.Name)
			}
		}
		r.add(f)
	}
	return nil
}
