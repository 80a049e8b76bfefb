package provision

import (
	"context"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"
)

// roleRightsSQL tells for one table whether the role may use its schema, may read the
// columns, and has the policy. A table that is not there has no row.
const roleRightsSQL = `
select has_schema_privilege(o.oid, n.oid, 'usage'), coalesce(bool_and(has_column_privilege(o.oid, a.attrelid, a.attnum, 'select')), false),
	exists (select from pg_policy p where p.polrelid = c.oid and p.polname = $5)
from pg_roles o, pg_class c join pg_namespace n on n.oid = c.relnamespace
	join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
where o.rolname = $4 and n.nspname = $1 and c.relname = $2 and (cardinality($3::text[]) = 0 or a.attname = any ($3))
group by o.oid, n.oid, c.oid`

// RoleMissing returns those statements of RoleSQL that are still needed: none once all
// have run. A role that is there is altered where it lacks an attribute.
func RoleMissing(ctx context.Context, conn *pgx.Conn, want Want, role string) ([]Statement, error) {
	all := RoleSQL(want, role)
	rows, err := conn.Query(ctx, "select rolcanlogin, rolreplication or rolsuper from pg_roles where rolname = $1", role)
	if err != nil {
		return nil, fmt.Errorf("inspect the role %s: %w", role, err)
	}
	there, login, replication := false, false, false
	if _, err := pgx.ForEachRow(rows, []any{&login, &replication}, func() error { there = true; return nil }); err != nil {
		return nil, fmt.Errorf("inspect the role %s: %w", role, err)
	}
	if !there {
		return all, nil
	}
	has := map[string]bool{all[0].SQL: true}
	for _, t := range want.Tables {
		if !t.Lookup {
			continue
		}
		columns := t.LookupColumns
		if columns == nil {
			columns = []string{}
		}
		var usage, read, policy bool
		err := conn.QueryRow(ctx, roleRightsSQL, t.Schema, t.Name, columns, role, role+"_reads").Scan(&usage, &read, &policy)
		if err == pgx.ErrNoRows {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("inspect the rights of %s on %s: %w", role, t, err)
		}
		grantUsage, grantRead, createPolicy := t.roleSQL(role)
		has[grantUsage], has[grantRead], has[createPolicy] = usage, read, policy
	}
	var attributes []string
	if !login {
		attributes = append(attributes, "LOGIN")
	}
	if !replication {
		attributes = append(attributes, "REPLICATION")
	}
	var missing []Statement
	if len(attributes) > 0 {
		s := all[0]
		s.SQL, s.Why = fmt.Sprintf("ALTER ROLE %s %s;", quoteIdent(role), strings.Join(attributes, " ")), "the role lacks it"
		missing = append(missing, s)
	}
	for _, s := range all {
		if !has[s.SQL] {
			missing = append(missing, s)
		}
	}
	return missing, nil
}
