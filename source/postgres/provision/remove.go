package provision

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
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
	// Denied are the statements of the Plan that the connected role may not run, each
	// with the role that may. Nothing of the Plan should run then: what went before the
	// first of them would be gone.
	Denied []string

	planned map[string]bool // the objects that the Plan drops, by catalog and number
}

// deny notes that the connected role may not run a statement.
func (r *Removal) deny(s Statement, connected string) {
	r.Denied = append(r.Denied, fmt.Sprintf("%s (that takes %s, which the role %s has not)", s.SQL, s.Needs, connected))
}

// drops notes an object that the Plan drops.
func (r *Removal) drops(class string, oid int64) {
	if r.planned == nil {
		r.planned = map[string]bool{}
	}
	r.planned[fmt.Sprintf("%s %d", class, oid)] = true
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
			(select min(o.restart_lsn) from pg_replication_slots o where o.slot_name <> s.slot_name)), s.restart_lsn))),
	(select me.rolsuper or me.rolreplication or coalesce((select pg_has_role(g.oid, 'member') from pg_roles g where g.rolname = 'rds_replication'), false)
		from pg_roles me where me.rolname = current_user), current_user::text
from pg_replication_slots s left join pg_stat_activity a on a.pid = s.active_pid where s.slot_name = $1`

// Remove inspects what takes slot, publication and saved place of want away, and the role
// where one is named and has no more than RoleSQL gives. A publication that has other tables
// than the bridge's stays. It changes nothing. A slot that is being read, or that is no
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
	return r, r.role(ctx, conn, &want, role)
}

func (r *Removal) slot(ctx context.Context, conn *pgx.Conn, want *Want) error {
	var s slotState
	var from, freed, connected string
	var may bool
	err := conn.QueryRow(ctx, freedSQL, want.Slot).Scan(&s.Kind, &s.Plugin, &s.Database, &s.Here, &s.ActivePID, &s.Application, &from, &freed, &may, &connected)
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
	drop := Statement{
		SQL: fmt.Sprintf("SELECT pg_drop_replication_slot(%s);", sqlquote.Literal(want.Slot)),
		Why: fmt.Sprintf("the slot; the server keeps %s of its log for it alone, and removes that at the next checkpoint", freed), Needs: "REPLICATION", Slot: true,
	}
	r.Plan = append(r.Plan, drop)
	if !may {
		r.deny(drop, connected)
	}
	return nil
}

// supabasePublication is Realtime's own.
const supabasePublication = "supabase_realtime"

// goneSQL tells of the publication whether it has tables by a rule (all, or those of a
// schema), and which it has by name.
const goneSQL = `
select p.oid::int8, p.puballtables or exists (select from pg_depend d where d.refclassid = 'pg_publication'::regclass and d.refobjid = p.oid
		and d.classid::regclass::text like '%pg_publication_namespace'),
	array(select n.nspname || '.' || c.relname from pg_publication_rel m join pg_class c on c.oid = m.prrelid
		join pg_namespace n on n.oid = c.relnamespace where m.prpubid = p.oid order by 1),
	array(select slot_name::text from pg_replication_slots where database = current_database() and plugin = 'pgoutput' and slot_name <> $2 order by 1),
	pg_has_role(p.pubowner, 'usage'), pg_get_userbyid(p.pubowner)::text
from pg_publication p where p.pubname = $1`

// gone is a publication that is to be dropped.
type gone struct {
	OID     int64
	ByRule  bool
	Tables  []string
	Readers []string
	Owned   bool
	Owner   string
}

func (r *Removal) publication(ctx context.Context, conn *pgx.Conn, want *Want) error {
	rows, err := conn.Query(ctx, goneSQL, want.Publication, want.Slot)
	if err != nil {
		return fmt.Errorf("inspect the publication: %w", err)
	}
	p, err := pgx.CollectExactlyOneRow(rows, pgx.RowToStructByPos[gone])
	if errors.Is(err, pgx.ErrNoRows) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("inspect the publication: %w", err)
	}
	drop := fmt.Sprintf("DROP PUBLICATION %s;", quoteIdent(want.Publication))
	others := slices.DeleteFunc(slices.Clone(p.Tables), want.follows)
	left := func(why string) {
		r.Left = append(r.Left, fmt.Sprintf("the publication %s stays, because %s; where nobody else needs it: %s", want.Publication, why, drop))
	}
	switch {
	case want.Publication == supabasePublication:
		r.Left = append(r.Left, "the publication "+supabasePublication+" is Supabase Realtime's, and stays")
	case p.ByRule:
		left("it is for all tables, or for those of a schema, and the bridge makes none such")
	case len(others) > 0:
		left("it also has tables that the bridge does not follow (" + strings.Join(others, ", ") + ")")
	case len(p.Tables) > 0 && !slices.ContainsFunc(p.Tables, want.needs):
		left("it has none of the tables that the bridge has to follow, only " + strings.Join(p.Tables, ", "))
	case len(p.Readers) > 0:
		left("another slot may be read through it (" + strings.Join(p.Readers, ", ") + ")")
	default:
		r.Plan = append(r.Plan, Statement{SQL: drop, Why: "the publication", Needs: "ownership of the publication"})
		r.drops("pg_publication", p.OID)
		if !p.Owned {
			r.Denied = append(r.Denied, fmt.Sprintf("%s (that takes the role %s)", drop, p.Owner))
		}
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
			r.drops("pg_largeobject", oid)
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
