package provision

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
)

// platformRoles are roles of Supabase and Amazon RDS that no bridge is given.
var platformRoles = []string{"anon", "authenticated", "service_role", "authenticator", "dashboard_user", "pgbouncer", "pgsodium_keyholder", "postgres", "rdsadmin"}

// platformRole reports whether a role is the server's own or a platform's.
func platformRole(name string) bool {
	return slices.Contains(platformRoles, name) || strings.HasPrefix(name, "pg_") || strings.HasPrefix(name, "supabase_") || strings.HasPrefix(name, "rds_")
}

// roleFacts is what the catalog says of a role that is to be removed.
type roleFacts struct {
	Ours       bool // the one that is connected
	Attributes []string
	Follows    bool // may replicate, as a role of RoleSQL may
	// MemberOf are the roles whose rights it has, apart from those that the bridge's
	// documentation asks for; Members those that have its rights, apart from the role
	// that made it.
	MemberOf, Members []string
	Connections       int
	MayDrop           bool // by the role that is connected
	Connected         string
}

// A role that makes another is its member with the admin option from Postgres 16 on.
const roleFactsSQL = `
select $1 in (current_user, session_user),
	array_remove(array[case when r.rolsuper then 'SUPERUSER' end, case when r.rolbypassrls then 'BYPASSRLS' end,
		case when r.rolcreatedb then 'CREATEDB' end, case when r.rolcreaterole then 'CREATEROLE' end], null),
	r.rolreplication or exists (select from pg_auth_members m join pg_roles g on g.oid = m.roleid where m.member = r.oid and g.rolname = 'rds_replication'),
	array(select distinct g.rolname::text from pg_auth_members m join pg_roles g on g.oid = m.roleid
		where m.member = r.oid and g.rolname not in ('rds_replication', 'pg_read_all_stats') order by 1),
	array(select distinct u.rolname::text from pg_auth_members m join pg_roles u on u.oid = m.member
		where m.roleid = r.oid and u.rolname not in (current_user, session_user)
			and not exists (select from pg_auth_members a where a.roleid = m.roleid and a.member = m.member and a.admin_option) order by 1),
	(select count(*)::int from pg_stat_activity a where a.usesysid = r.oid),
	me.rolsuper or me.rolcreaterole and (current_setting('server_version_num')::int < 160000 or pg_has_role(r.oid, 'member with admin option')),
	current_user::text
from pg_roles r, pg_roles me where r.rolname = $1 and me.rolname = current_user`

// roleDependsSQL gives all that depends on a role, in every database of the server.
const roleDependsSQL = `
select d.dbid in (0, here.oid), coalesce(b.datname::text, ''), d.classid::regclass::text, d.objid::int8, d.deptype::text,
	case when d.dbid in (0, here.oid) then coalesce(pg_describe_object(d.classid, d.objid, d.objsubid), '') else '' end
from pg_shdepend d join pg_database here on here.datname = current_database() left join pg_database b on b.oid = d.dbid
where d.refclassid = 'pg_authid'::regclass and d.refobjid = (select oid from pg_roles where rolname = $1)
order by 1 desc, 2, 6`

// roleDepend is one thing that depends on a role.
type roleDepend struct {
	Here            bool // in this database, or of the whole server
	Database, Class string
	OID             int64
	Kind            string // o owner, a rights, r policy, …
	What            string
}

// roleGrantsSQL gives the rights that a role has, or gave, in this database. Plain: given
// by the object's owner to the role, and not to be passed on.
const roleGrantsSQL = `
with o as (
	select 'pg_namespace' as class, n.oid, n.nspname as schema, '' as name, '' as col, n.nspacl as acl, n.nspowner as owner from pg_namespace n
	union all select 'pg_class', c.oid, n.nspname, c.relname, '', c.relacl, c.relowner from pg_class c join pg_namespace n on n.oid = c.relnamespace
	union all select 'pg_class', c.oid, n.nspname, c.relname, a.attname, a.attacl, c.relowner
		from pg_attribute a join pg_class c on c.oid = a.attrelid join pg_namespace n on n.oid = c.relnamespace where a.attacl is not null
	union all select 'pg_database', b.oid, '', b.datname, '', b.datacl, b.datdba from pg_database b where b.datname = current_database()
)
select o.class, o.oid::int8, o.schema::text, o.name::text, o.col::text, a.privilege_type,
	a.grantee = r.oid and a.grantor = o.owner and not a.is_grantable, pg_has_role(o.owner, 'usage'), pg_get_userbyid(o.owner)::text
from pg_roles r, o, aclexplode(o.acl) a where r.rolname = $1 and r.oid in (a.grantee, a.grantor)`

// roleGrant is one right of a role.
type roleGrant struct {
	Class                           string
	OID                             int64
	Schema, Name, Column, Privilege string
	Plain, MayRevoke                bool
	Owner                           string
}

// rolePoliciesSQL gives the policies that name a role. Plain: for SELECT, to this role
// alone, and of all rows.
const rolePoliciesSQL = `
select p.oid::int8, n.nspname::text, c.relname::text, p.polname::text,
	p.polcmd = 'r' and p.polpermissive and p.polroles = array[r.oid] and pg_get_expr(p.polqual, p.polrelid) = 'true',
	pg_has_role(c.relowner, 'usage'), pg_get_userbyid(c.relowner)::text
from pg_roles r, pg_policy p join pg_class c on c.oid = p.polrelid join pg_namespace n on n.oid = c.relnamespace
where r.rolname = $1 and r.oid = any (p.polroles)`

// rolePolicy is one policy that names a role.
type rolePolicy struct {
	OID            int64
	Schema, Table  string
	Name           string
	Plain, MayDrop bool
	Owner          string
}

// role plans to take a role away that has no more than RoleSQL gives. Any other stays, and
// Left says what it has: an application's role may be named by mistake.
func (r *Removal) role(ctx context.Context, conn *pgx.Conn, want *Want, role string) error {
	if platformRole(role) {
		var exists bool
		if err := conn.QueryRow(ctx, `select exists (select from pg_roles where rolname = $1)`, role).Scan(&exists); err != nil {
			return fmt.Errorf("inspect the role: %w", err)
		}
		if exists {
			r.Left = append(r.Left, fmt.Sprintf("the role %s stays, because it is the server's or the platform's own, and not one that `bridge setup --role` made", role))
		}
		return nil
	}
	rows, err := conn.Query(ctx, roleFactsSQL, role)
	if err != nil {
		return fmt.Errorf("inspect the role: %w", err)
	}
	facts, err := pgx.CollectExactlyOneRow(rows, pgx.RowToStructByPos[roleFacts])
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return nil
	case err != nil:
		return fmt.Errorf("inspect the role: %w", err)
	case facts.Ours:
		r.Left = append(r.Left, fmt.Sprintf("the role %s stays, because it is the one that is connected: run this with the address of the role that made it", role))
		return nil
	}
	more := facts.more()
	plan, denied, also, err := r.roleRights(ctx, conn, want, role)
	if err != nil {
		return err
	}
	if more = append(more, also...); len(more) > 0 {
		r.Left = append(r.Left, fmt.Sprintf("the role %s stays, because it has more than `bridge setup --role` gives, or not what that gives: %s. "+
			"If it is the bridge's all the same, take that away first, and run this again", role, strings.Join(more, "; ")))
		return nil
	}
	drop := Statement{SQL: fmt.Sprintf("DROP ROLE %s;", quoteIdent(role)), Why: "the role", Needs: "CREATEROLE, and the role with its admin option; on Supabase, the role postgres"}
	r.Plan = append(append(r.Plan, plan...), drop)
	r.Denied = append(r.Denied, denied...)
	if !facts.MayDrop {
		r.deny(drop, facts.Connected)
	}
	return nil
}

// more is what no role of RoleSQL is.
func (f *roleFacts) more() []string {
	var more []string
	if len(f.Attributes) > 0 {
		more = append(more, "it is "+strings.Join(f.Attributes, ", "))
	}
	if !f.Follows {
		more = append(more, "it has no REPLICATION, as one of the bridge has")
	}
	if len(f.MemberOf) > 0 {
		more = append(more, "it is a member of "+strings.Join(f.MemberOf, ", "))
	}
	if len(f.Members) > 0 {
		more = append(more, "it has the members "+strings.Join(f.Members, ", "))
	}
	if f.Connections > 0 {
		more = append(more, fmt.Sprintf("it is connected now (%d in pg_stat_activity)", f.Connections))
	}
	return more
}

// maxListed bounds how many things of a role are listed.
const maxListed = 12

// roleRights returns the statements that take away what RoleSQL gave a role, those of them
// that the connected role may not run, and what else the role has.
func (r *Removal) roleRights(ctx context.Context, conn *pgx.Conn, want *Want, role string) (plan []Statement, denied, more []string, err error) {
	depends, err := collect[roleDepend](ctx, conn, roleDependsSQL, role)
	if err != nil {
		return nil, nil, nil, err
	}
	grants, err := collect[roleGrant](ctx, conn, roleGrantsSQL, role)
	if err != nil {
		return nil, nil, nil, err
	}
	policies, err := collect[rolePolicy](ctx, conn, rolePoliciesSQL, role)
	if err != nil {
		return nil, nil, nil, err
	}
	name, others := quoteIdent(role), 0
	add := func(s Statement, may bool, owner string) {
		if slices.ContainsFunc(plan, func(before Statement) bool { return before.SQL == s.SQL }) {
			return
		}
		plan = append(plan, s)
		if !may {
			denied = append(denied, fmt.Sprintf("%s (that takes the role %s)", s.SQL, owner))
		}
	}
	for _, d := range depends {
		ours, said := false, ""
		switch {
		case !d.Here:
			said = "it owns or may use things in the database " + d.Database
		case d.Kind == "o":
			ours, said = r.planned[d.Class+" "+fmt.Sprint(d.OID)], "it owns "+d.What
		case d.Kind == "a":
			ours, said = grantsOf(grants, d, want), "it has other rights on "+d.What
		case d.Kind == "r":
			ours, said = slices.ContainsFunc(policies, func(p rolePolicy) bool { return p.OID == d.OID && p.ours(want, role) }), "it has the "+d.What
		default:
			said = "it is named by " + d.What
		}
		switch {
		case ours, slices.Contains(more, said):
		case len(more) < maxListed:
			more = append(more, said)
		default:
			others++
		}
	}
	if others > 0 {
		more = append(more, fmt.Sprintf("and %d more", others))
	}
	for _, p := range policies {
		add(Statement{
			SQL: fmt.Sprintf("DROP POLICY %s ON %s;", quoteIdent(p.Name), Table{Schema: p.Schema, Name: p.Table}.sql()), Why: "the policy that showed it all rows", Needs: "ownership of the table",
		}, p.MayDrop, p.Owner)
	}
	for _, g := range grants {
		on, needs := Table{Schema: g.Schema, Name: g.Name}.sql(), "ownership of the table"
		switch g.Class {
		case "pg_namespace":
			on, needs = "SCHEMA "+quoteIdent(g.Schema), "ownership of the schema"
		case "pg_database":
			on, needs = "DATABASE "+quoteIdent(g.Name), "ownership of the database"
		}
		add(Statement{SQL: fmt.Sprintf("REVOKE %s ON %s FROM %s;", g.Privilege, on, name), Why: "a right of the role", Needs: needs}, g.MayRevoke, g.Owner)
	}
	return plan, denied, more, nil
}

// collect returns what a query about a role gives.
func collect[T any](ctx context.Context, conn *pgx.Conn, sql, role string) ([]T, error) {
	rows, err := conn.Query(ctx, sql, role)
	if err != nil {
		return nil, fmt.Errorf("inspect what the role has: %w", err)
	}
	out, err := pgx.CollectRows(rows, pgx.RowToStructByPos[T])
	if err != nil {
		return nil, fmt.Errorf("inspect what the role has: %w", err)
	}
	return out, nil
}

// grantsOf reports whether all rights on what depends on the role are of RoleSQL.
func grantsOf(grants []roleGrant, d roleDepend, want *Want) bool {
	known := false
	for _, g := range grants {
		if g.Class == d.Class && g.OID == d.OID {
			if !g.ours(want) {
				return false
			}
			known = true
		}
	}
	return known
}

// ours reports whether RoleSQL, or the remedy of connect.rights, gives the right.
func (g *roleGrant) ours(want *Want) bool {
	switch {
	case !g.Plain:
		return false
	case g.Class == "pg_database":
		return g.Privilege == "CONNECT"
	case g.Class == "pg_namespace":
		return g.Privilege == "USAGE" && slices.ContainsFunc(want.Tables, func(t Table) bool { return t.Lookup && t.Schema == g.Schema })
	}
	return g.Privilege == "SELECT" && slices.ContainsFunc(want.Tables, func(t Table) bool {
		return t.Lookup && t.Schema == g.Schema && t.Name == g.Name &&
			(len(t.LookupColumns) == 0 || slices.Contains(t.LookupColumns, g.Column))
	})
}

// ours reports whether RoleSQL, or the remedy of role.rls, makes the policy.
func (p *rolePolicy) ours(want *Want, role string) bool {
	return p.Plain && (p.Name == role+"_reads" || p.Name == "bridge_reads") &&
		slices.ContainsFunc(want.Tables, func(t Table) bool { return t.Lookup && t.Schema == p.Schema && t.Name == p.Table })
}
