package provision

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"

	"chatbridge/internal/sqlquote"
	"chatbridge/source/postgres"

	"github.com/jackc/pgx/v5"
)

// Removal is what a bridge that is retired leaves in its database, and what takes it
// away.
type Removal struct {
	// Plan are the statements, in the order in which they have to run; empty where
	// nothing is left.
	Plan []Statement
	// Left says, one sentence each, what is left alone and why.
	Left []string
}

// InUseError is a slot that is being read, or is something else's: it is not removed.
type InUseError struct{ What, Remedy string }

// Error ends in the remedy.
func (e *InUseError) Error() string { return e.What + ": " + e.Remedy }

// freedSQL tells of our slot who reads it, and how much of the server's log is kept for
// it alone. A Unix socket has port -1; of what a role may not see all is null.
const freedSQL = `
select s.slot_type, coalesce(s.plugin, ''), coalesce(s.database, ''), coalesce(s.database = current_database(), false),
	coalesce(s.active_pid, 0), coalesce(a.application_name, ''), case
		when a.client_addr is not null then host(a.client_addr)
		when a.client_port = -1 then 'a local connection'
		else 'an address that the role ' || current_user || ' may not see (GRANT pg_read_all_stats TO ' || quote_ident(current_user) || '; shows it)' end,
	pg_size_pretty(greatest(0, pg_wal_lsn_diff(
		least(case when pg_is_in_recovery() then pg_last_wal_replay_lsn() else pg_current_wal_lsn() end,
			(select min(o.restart_lsn) from pg_replication_slots o where o.slot_name <> s.slot_name)), s.restart_lsn)))
from pg_replication_slots s left join pg_stat_activity a on a.pid = s.active_pid where s.slot_name = $1`

// Remove inspects what takes slot, publication and saved place of want away, and the role
// where one is named. It changes nothing. A slot that is being read, or that is no
// bridge's, is an *InUseError.
func Remove(ctx context.Context, conn *pgx.Conn, want Want, role string) (Removal, error) {
	var r Removal
	if err := want.validate(); err != nil {
		return r, err
	}
	for _, step := range []func(context.Context, *pgx.Conn, *Want) error{r.slot, r.publication, r.object} {
		if err := step(ctx, conn, &want); err != nil {
			return r, err
		}
	}
	if role == "" {
		return r, nil
	}
	return r, r.role(ctx, conn, role)
}

func (r *Removal) slot(ctx context.Context, conn *pgx.Conn, want *Want) error {
	var s slotState
	var from, freed string
	err := conn.QueryRow(ctx, freedSQL, want.Slot).Scan(&s.Kind, &s.Plugin, &s.Database, &s.Here, &s.ActivePID, &s.Application, &from, &freed)
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return nil
	case err != nil:
		return fmt.Errorf("inspect the slot: %w", err)
	case s.Kind != "logical" || s.Plugin != "pgoutput" || !s.Here:
		return &InUseError{
			What:   strings.TrimSpace(fmt.Sprintf("the slot %s is no bridge's of this database: a %s one %s", want.Slot, s.Kind, strings.TrimSpace(s.Plugin+" "+s.Database))),
			Remedy: "check source.postgres.slot and source.postgres.url",
		}
	case s.ActivePID != 0:
		name := s.Application
		if name == "" {
			name = "a program without a name"
		}
		return &InUseError{
			What:   fmt.Sprintf("the slot %s is being read by %s, from %s (server process %d)", want.Slot, name, from, s.ActivePID),
			Remedy: "stop that first (a bridge: systemctl disable --now bridge.socket bridge.service)",
		}
	}
	r.Plan = append(r.Plan, Statement{
		SQL: fmt.Sprintf("SELECT pg_drop_replication_slot(%s);", sqlquote.Literal(want.Slot)),
		Why: fmt.Sprintf("the slot; the server keeps %s of its log for it alone, and removes that at the next checkpoint", freed), Needs: "REPLICATION", Slot: true,
	})
	return nil
}

// supabasePublication is Realtime's own.
const supabasePublication = "supabase_realtime"

func (r *Removal) publication(ctx context.Context, conn *pgx.Conn, want *Want) error {
	var exists bool
	var readers []string
	err := conn.QueryRow(ctx, `select exists (select from pg_publication where pubname = $1),
		array(select slot_name::text from pg_replication_slots where database = current_database() and plugin = 'pgoutput' and slot_name <> $2 order by 1)`,
		want.Publication, want.Slot).Scan(&exists, &readers)
	if err != nil {
		return fmt.Errorf("inspect the publication: %w", err)
	}
	drop := fmt.Sprintf("DROP PUBLICATION %s;", quoteIdent(want.Publication))
	switch {
	case !exists:
	case want.Publication == supabasePublication:
		r.Left = append(r.Left, "the publication "+supabasePublication+" is Supabase Realtime's, and stays")
	case len(readers) > 0:
		r.Left = append(r.Left, fmt.Sprintf("the publication %s stays, because another slot may be read through it (%s); where none is: %s", want.Publication, strings.Join(readers, ", "), drop))
	default:
		r.Plan = append(r.Plan, Statement{SQL: drop, Why: "the publication", Needs: "ownership of the publication"})
	}
	return nil
}

// object finds the large object that keeps the slot's place.
func (r *Removal) object(ctx context.Context, conn *pgx.Conn, want *Want) error {
	first, last := postgres.Objects(want.Slot)
	rows, err := conn.Query(ctx, `select m.oid::int8, encode(lo_get(m.oid), 'hex') from pg_largeobject_metadata m
		where m.oid::int8 between $1::int8 and $2::int8 and pg_has_role(m.lomowner, 'usage') order by 1`, int64(first), int64(last))
	if err != nil {
		return fmt.Errorf("inspect what was confirmed: %w", err)
	}
	var oid int64
	var text string
	_, err = pgx.ForEachRow(rows, []any{&oid, &text}, func() error {
		raw, err := hex.DecodeString(text)
		if err != nil {
			return err
		}
		if saved, err := postgres.DecodePlace(raw); err == nil && saved.Slot == want.Slot {
			r.Plan = append(r.Plan, Statement{
				SQL: fmt.Sprintf("SELECT lo_unlink(%d);", oid), Why: "the large object that keeps how far changes were confirmed", Needs: "ownership of the large object",
			})
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("inspect what was confirmed: %w", err)
	}
	return nil
}

func (r *Removal) role(ctx context.Context, conn *pgx.Conn, role string) error {
	var exists, ours bool
	if err := conn.QueryRow(ctx, `select exists (select from pg_roles where rolname = $1), $1 in (current_user, session_user)`, role).Scan(&exists, &ours); err != nil {
		return fmt.Errorf("inspect the role: %w", err)
	}
	name := quoteIdent(role)
	switch {
	case ours:
		r.Left = append(r.Left, fmt.Sprintf("the role %s stays, because it is the one that is connected: run this with the address of the role that made it", role))
	case exists:
		const needs = "membership in the role with its admin option; on Supabase, the role postgres"
		r.Plan = append(r.Plan,
			Statement{SQL: fmt.Sprintf("DROP OWNED BY %s;", name), Why: "the role's rights and policies in this database, and what it owns here", Needs: needs},
			Statement{SQL: fmt.Sprintf("DROP ROLE %s;", name), Why: "the role", Needs: needs})
	}
	return nil
}
