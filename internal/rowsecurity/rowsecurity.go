// Package rowsecurity has the one question about row level security that several
// readers of a table ask.
package rowsecurity

// Hides is an SQL expression about the table whose pg_class is c: whether row level
// security may hide rows of it from the current role. It does not where a policy shows
// the role all rows, as that which `bridge setup --role` prints does, and no other
// restricts it.
const Hides = `(row_security_active(c.oid) and not coalesce((
	select bool_and(p.polpermissive) and bool_or(pg_get_expr(p.polqual, p.polrelid) = 'true') from pg_policy p
	where p.polrelid = c.oid and p.polcmd in ('r', '*') and exists (select from unnest(p.polroles) r where r = 0 or pg_has_role(r, 'usage'))), false))`
