package provision

import (
	"context"
	"fmt"

	"chatbridge/internal/rowsecurity"

	"github.com/jackc/pgx/v5"
)

// facts about the role that we are connected as.
type role struct {
	Name        string
	Super       bool
	Replication bool
	Create      bool // on the database
	Database    string
}

// On Amazon RDS the attribute cannot be given; the role rds_replication
// stands for it.
const roleSQL = `
select rolname, rolsuper, rolreplication or coalesce((select pg_has_role(oid, 'member') from pg_roles where rolname = 'rds_replication'), false),
	has_database_privilege(current_database(), 'create'), current_database()
from pg_roles where rolname = current_user`

func (r *Report) role(ctx context.Context, conn *pgx.Conn) error {
	rows, err := conn.Query(ctx, roleSQL)
	if err != nil {
		return fmt.Errorf("inspect the role: %w", err)
	}
	who, err := pgx.CollectExactlyOneRow(rows, pgx.RowToStructByPos[role])
	if err != nil {
		return fmt.Errorf("inspect the role: %w", err)
	}
	r.mayCreate, r.mayReplicate = who.Super || who.Create, who.Super || who.Replication
	switch {
	case !who.Super && !who.Replication:
		r.add(Finding{
			ID: "role.replication", Object: who.Name, Level: Fail, What: fmt.Sprintf("the role %s has no REPLICATION", who.Name),
			Meaning: "the server refuses it a replication connection",
			Fix:     fmt.Sprintf("ALTER ROLE %s REPLICATION;", quoteIdent(who.Name)),
		})
	case who.Super:
		r.add(Finding{
			ID: "role.superuser", Object: who.Name, Level: Warn, What: fmt.Sprintf("the role %s is a superuser", who.Name),
			Meaning: "the bridge needs far less: REPLICATION, and SELECT on what it looks up",
			Fix:     "use a role of its own: `bridge setup --role chatbridge` prints the statements",
		})
	default:
		r.ok("role.replication", who.Name, fmt.Sprintf("the role %s has REPLICATION", who.Name))
	}
	for _, t := range r.want.Tables {
		if t.Lookup {
			if err := r.lookup(ctx, conn, t, &who); err != nil {
				return err
			}
		}
	}
	return nil
}

const lookupSQL = `
select coalesce(bool_and(has_column_privilege(a.attrelid, a.attnum, 'select')), false)
		and has_schema_privilege(n.oid, 'usage'), ` + rowsecurity.Hides + `
from pg_class c join pg_namespace n on n.oid = c.relnamespace
	join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
where n.nspname = $1 and c.relname = $2 and (cardinality($3::text[]) = 0 or a.attname = any ($3))
group by c.oid, n.oid`

// lookup reports what keeps the role from reading a table.
func (r *Report) lookup(ctx context.Context, conn *pgx.Conn, t Table, who *role) error {
	columns := t.LookupColumns
	if columns == nil {
		columns = []string{}
	}
	var may, secured bool
	err := conn.QueryRow(ctx, lookupSQL, t.Schema, t.Name, columns).Scan(&may, &secured)
	if err == pgx.ErrNoRows {
		return nil // tables reports it
	}
	if err != nil {
		return fmt.Errorf("inspect the rights on %s: %w", t, err)
	}
	list := ""
	if len(columns) > 0 {
		list = " (" + quoteIdents(columns) + ")"
	}
	switch {
	case !may && !who.Super:
		r.add(Finding{
			ID: "role.select", Object: t.String(), Level: Fail, What: fmt.Sprintf("the role %s may not read %s", who.Name, t),
			Meaning: "what a change alone does not tell cannot be looked up",
			Fix: fmt.Sprintf("GRANT USAGE ON SCHEMA %s TO %s; GRANT SELECT%s ON %s TO %[2]s;",
				quoteIdent(t.Schema), quoteIdent(who.Name), list, t.sql()),
		})
	case secured:
		r.add(Finding{
			ID: "role.rls", Object: t.String(), Level: Warn, What: fmt.Sprintf("row level security of %s applies to the role %s", t, who.Name),
			Meaning: "look-ups find only the rows that a policy shows to it, perhaps none",
			Fix: fmt.Sprintf("ALTER ROLE %[1]s BYPASSRLS; -- or CREATE POLICY bridge_reads ON %[2]s FOR SELECT TO %[1]s USING (true);",
				quoteIdent(who.Name), t.sql()),
		})
	default:
		r.ok("role.select", t.String(), fmt.Sprintf("the role %s may read %s", who.Name, t))
	}
	return nil
}
