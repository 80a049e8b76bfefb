package main

import (
	neturl "net/url"
	"strings"
	"testing"

	"chatbridge/internal/schemas"
	"chatbridge/internal/throwaway"
	"chatbridge/internal/throwaway/pgtest"

	"github.com/jackc/pgx/v5"
)

// TestSetupRemoveOtherRoles: a role that has anything else than `setup --role` gives, or
// is not what that makes, stays with all that it has, and what it has is named.
func TestSetupRemoveOtherRoles(t *testing.T) {
	cluster := pgtest.Cluster(t, throwaway.Options{TCP: true})
	url := pgtest.On(t, cluster, schemas.CRM, "create database elsewhere")
	configure(t, url, "removed")
	connect := func(t *testing.T, url string) *pgx.Conn {
		conn, err := pgx.Connect(t.Context(), url)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { conn.Close(t.Context()) }) //nolint:errcheck // the cluster goes
		return conn
	}
	conn := connect(t, url)
	const plain = "create role x login replication; grant usage on schema public to x; grant select (id, name) on contacts to x; "
	for name, tt := range map[string]struct{ sql, role, said string }{
		"owns a table":         {plain + "create table invoices (id int); alter table invoices owner to x", "x", "it owns table invoices"},
		"owns a schema":        {plain + "create schema xs authorization x", "x", "it owns schema xs"},
		"owns a function":      {plain + "create function xf() returns int language sql as 'select 1'; alter function xf() owner to x", "x", "it owns function xf()"},
		"owns a sequence":      {plain + "create sequence xq; alter sequence xq owner to x", "x", "it owns sequence xq"},
		"owns a database":      {plain + "alter database elsewhere owner to x", "x", "it owns database elsewhere"},
		"owns a publication":   {plain + "create publication xp; alter publication xp owner to x", "x", "it owns publication xp"},
		"writes":               {plain + "grant insert on messages to x", "x", "it has other rights on table messages"},
		"passes on":            {plain + "grant select (id) on messages to x with grant option", "x", "it has other rights on "},
		"another table":        {plain + "create table invoices (id int); grant select on invoices to x", "x", "it has other rights on table invoices"},
		"another column":       {plain + "alter table contacts add secret text; grant select (secret) on contacts to x", "x", "column secret of table contacts"},
		"creates in a schema":  {plain + "grant create on schema public to x", "x", "it has other rights on schema public"},
		"default rights":       {plain + "alter default privileges grant select on tables to x", "x", "it has other rights on default privileges"},
		"another policy":       {plain + "create policy own on messages to x using (true)", "x", "it has the policy own on table messages"},
		"a policy with others": {plain + "create policy x_reads on messages for select to x, pg_monitor using (true)", "x", "it has the policy x_reads on table messages"},
		"a superuser":          {"create role x login replication superuser createdb", "x", "it is SUPERUSER, CREATEDB"},
		"bypassrls":            {"create role x login replication bypassrls createrole", "x", "it is BYPASSRLS, CREATEROLE"},
		"a member":             {plain + "grant pg_monitor to x", "x", "it is a member of pg_monitor"},
		"has members":          {plain + "create role y; grant x to y", "x", "it has the members y"},
		"reads only":           {"create role x login; grant usage on schema public to x; grant select (id) on contacts to x", "x", "it has no REPLICATION"},
		"supabase":             {"create role authenticated; grant select on contacts to authenticated", "authenticated", "the platform's own"},
		"supabase admin":       {"create role supabase_auth_admin login replication", "supabase_auth_admin", "the platform's own"},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := conn.Exec(t.Context(), tt.sql); err != nil {
				t.Fatal(err)
			}
			defer func() {
				if _, err := conn.Exec(t.Context(), "alter database elsewhere owner to postgres; drop owned by "+tt.role+" cascade; drop role "+tt.role+
					"; drop role if exists y; drop table if exists invoices; alter table contacts drop if exists secret"); err != nil {
					t.Fatal(err)
				}
			}()
			code, out, errs := cli(t, "", "setup", "--remove", "--role", tt.role, "--apply")
			if code != 0 || !strings.Contains(out, "-- Left: the role "+tt.role+" stays") || !strings.Contains(out, tt.said) ||
				strings.Contains(out, "DROP ROLE") || strings.Contains(out, "REVOKE") {
				t.Errorf("%d: %s%s", code, out, errs)
			}
			var there bool
			if err := conn.QueryRow(t.Context(), "select exists (select from pg_roles where rolname = $1)", tt.role).Scan(&there); err != nil || !there {
				t.Errorf("the role is there: %v, %v", there, err)
			}
		})
	}
	t.Run("rights in another database", func(t *testing.T) {
		other, err := neturl.Parse(url)
		if err != nil {
			t.Fatal(err)
		}
		other.Path = "/elsewhere"
		if _, err := conn.Exec(t.Context(), plain); err != nil {
			t.Fatal(err)
		}
		if _, err := connect(t, other.String()).Exec(t.Context(), "create table theirs (id int); alter table theirs owner to x"); err != nil {
			t.Fatal(err)
		}
		code, out, errs := cli(t, "", "setup", "--remove", "--role", "x", "--apply")
		if code != 0 || !strings.Contains(out, "in the database elsewhere") || strings.Contains(out, "DROP ROLE") {
			t.Errorf("%d: %s%s", code, out, errs)
		}
	})
}

// TestSetupRemoveOthersPublication: one with other tables than the bridge follows, or with
// none that it has to, is somebody else's.
func TestSetupRemoveOthersPublication(t *testing.T) {
	for name, tt := range map[string]struct{ sql, said string }{
		"for other tables":    {"create publication bridge for table messages, conversations, workspaces", "(public.workspaces)"},
		"for contacts":        {"create publication bridge for table contacts", "only public.contacts"},
		"for all tables":      {"create publication bridge for all tables", "for all tables"},
		"for all of a schema": {"create publication bridge for tables in schema public", "those of a schema"},
	} {
		t.Run(name, func(t *testing.T) {
			url := pgtest.DB(t, schemas.CRM, "create table if not exists workspaces (id int primary key)", tt.sql)
			configure(t, url, "removed_"+strings.ReplaceAll(name, " ", "_"))
			code, out, errs := cli(t, "", "setup", "--remove", "--apply")
			if code != 0 || !strings.Contains(out, "-- Left: the publication bridge stays") || !strings.Contains(out, tt.said) || strings.Contains(out, "-- done") {
				t.Errorf("%d: %s%s", code, out, errs)
			}
			if err := pgtest.Exec(t.Context(), url, "drop publication bridge"); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestSetupRemoveAsTheBridge: what the connected role may not run is seen before anything
// is removed.
func TestSetupRemoveAsTheBridge(t *testing.T) {
	cluster := pgtest.Cluster(t, throwaway.Options{TCP: true})
	url := pgtest.On(t, cluster, schemas.CRM, "create publication bridge for table messages, conversations",
		"create role follower login replication password 'follows'", "select pg_create_logical_replication_slot('removed', 'pgoutput')")
	configure(t, url, "removed")
	follower, err := neturl.Parse(url)
	if err != nil {
		t.Fatal(err)
	}
	follower.User = neturl.UserPassword("follower", "follows")
	t.Setenv("DATABASE_URL", follower.String())
	code, out, errs := cli(t, "", "setup", "--remove")
	if code != 0 || !strings.Contains(out, "--apply would be refused") || !strings.Contains(out, `DROP PUBLICATION "bridge"; (that takes the role postgres)`) {
		t.Errorf("%d: %s%s", code, out, errs)
	}
	code, out, errs = cli(t, "", "setup", "--remove", "--apply")
	if code != exitFailed || !strings.Contains(errs, "nothing was removed") || strings.Contains(out, "-- done") {
		t.Errorf("%d: %s%s", code, out, errs)
	}
	t.Setenv("DATABASE_URL", url)
	if code, out, errs = cli(t, "", "setup", "--remove", "--apply"); code != 0 || !strings.Contains(out, "pg_drop_replication_slot") || !strings.Contains(out, "DROP PUBLICATION") {
		t.Errorf("%d: %s%s", code, out, errs)
	}
}
