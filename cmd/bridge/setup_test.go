package main

import (
	"context"
	"encoding/json"
	"os"
	"strings"
	"testing"

	"chatbridge/internal/schemas"
	"chatbridge/internal/throwaway/pgtest"

	"github.com/jackc/pgx/v5"
)

// configure points the environment at a database.
func configure(t *testing.T, url, slot string) {
	t.Helper()
	clean(t)
	t.Setenv("DATABASE_URL", url)
	t.Setenv("BRIDGE_SOURCE_POSTGRES_SLOT", slot)
	t.Setenv("CHATENGINE_JWT_SECRET", "a secret of at least thirty-two bytes")
	t.Setenv("BRIDGE_LISTEN", "127.0.0.1:0")
	t.Setenv("BRIDGE_ADMIN_LISTEN", "127.0.0.1:0")
}

func TestSetupPrintsWhatCanBePasted(t *testing.T) {
	url := pgtest.DB(t, schemas.CRM)
	configure(t, url, "setup_printed")
	code, out, errs := cli(t, "", "setup")
	if code != 0 {
		t.Fatalf("%d: %s%s", code, out, errs)
	}
	for _, want := range []string{`CREATE PUBLICATION "bridge" FOR TABLE "public"."messages", "public"."conversations";`, "SELECT pg_create_logical_replication_slot('setup_printed', 'pgoutput');"} {
		if !strings.Contains(out, want) {
			t.Errorf("want %s in\n%s", want, out)
		}
	}
	if code, before, _ := cli(t, "", "check"); code != 0 || !strings.Contains(before, "`bridge serve` creates it") {
		t.Errorf("check before: exit code %d: %s", code, before)
	}
	if code, _, _ := cli(t, "", "check", "--source.postgres.create=never"); code != 1 {
		t.Errorf("check before, where nothing creates it: exit code %d", code)
	}
	// Run one statement after the other, as they are pasted.
	run := func(sql string) {
		if err := pgtest.Exec(t.Context(), url, sql); err != nil {
			t.Fatalf("%v in %s", err, sql)
		}
	}
	for statement := range strings.SplitSeq(out, "\n\n") {
		if sql := withoutComments(statement); sql != "" {
			run(sql)
		}
	}
	if !strings.Contains(out, `ALTER PUBLICATION "bridge" ADD TABLE "public"."contacts";`) {
		t.Errorf("contacts are not offered in\n%s", out)
	}
	code, out, errs = cli(t, "", "setup")
	if code != 0 || strings.TrimSpace(out) != "-- Nothing is missing." {
		t.Errorf("a second time: %d: %s%s", code, out, errs)
	}
	code, out, _ = cli(t, "", "check")
	if code != 0 || strings.Contains(out, "fail ") {
		t.Errorf("check after: %d:\n%s", code, out)
	}
	code, out, _ = cli(t, "", "check", "--json")
	var r struct {
		Level    string
		Findings []struct{ ID, Level, What string }
	}
	if err := json.Unmarshal([]byte(out), &r); err != nil || code != 0 || r.Level == "fail" || len(r.Findings) < 10 {
		t.Errorf("check --json: %d, %v: %s", code, err, out)
	}
}

func withoutComments(s string) string {
	var lines []string
	for line := range strings.Lines(s) {
		if !strings.HasPrefix(line, "--") {
			lines = append(lines, line)
		}
	}
	return strings.TrimSpace(strings.Join(lines, ""))
}

func TestSetupApply(t *testing.T) {
	url := pgtest.DB(t, schemas.CRM)
	configure(t, url, "setup_applied")
	code, out, errs := cli(t, "", "setup", "--apply")
	if code != 0 || !strings.Contains(out, "-- done") || !strings.Contains(out, "-- Nothing is missing.") {
		t.Fatalf("%d: %s%s", code, out, errs)
	}
	if code, out, _ = cli(t, "", "setup", "--apply"); code != 0 || strings.Contains(out, "done") {
		t.Errorf("a second time: %d: %s", code, out)
	}
}

// What a role may not do is an error with the statement, and what a plan cannot
// create is printed.
func TestSetupCannot(t *testing.T) {
	url := pgtest.DB(t, schemas.CRM, "create role setup_poor login password 'p'", "grant usage on schema public to setup_poor")
	t.Cleanup(func() {
		_ = pgtest.Exec(context.Background(), url, "drop owned by setup_poor", "drop role setup_poor")
	})
	config, err := pgx.ParseConfig(url)
	if err != nil {
		t.Fatal(err)
	}
	poor := "host=" + config.Host + " port=" + itoa(config.Port) + " dbname=" + config.Database + " user=setup_poor password=p"
	configure(t, poor, "setup_poor")
	code, out, errs := cli(t, "", "setup", "--apply")
	if code != 1 || !strings.Contains(errs+out, "CREATE PUBLICATION") {
		t.Errorf("no rights: %d: %s%s", code, out, errs)
	}
	code, out, _ = cli(t, "", "setup")
	if code != 1 || !strings.Contains(out, "-- fail  role.replication") {
		t.Errorf("no rights, printed: %d: %s", code, out)
	}

	clean(t)
	code, _, errs = cli(t, "", "setup")
	if code != 2 || !strings.Contains(errs, "source.postgres.url") {
		t.Errorf("no database: %d: %s", code, errs)
	}
	t.Setenv("DATABASE_URL", "postgres://u:hunter2@127.0.0.1:1/db")
	code, _, errs = cli(t, "", "setup")
	if code != 1 || !strings.Contains(errs, "cannot be reached") || strings.Contains(errs, "hunter2") {
		t.Errorf("unreachable: %d: %s", code, errs)
	}
	code, _, errs = cli(t, "", "setup", "--mapping.file=/does/not/exist")
	if code != 2 || !strings.Contains(errs, "no such file") {
		t.Errorf("no mapping: %d: %s", code, errs)
	}
	code, out, _ = cli(t, "", "check")
	if code != 1 || !strings.Contains(out, "fail  config.invalid auth.chatengine_secret") {
		t.Errorf("check: %d: %s", code, out)
	}
}

func itoa(n uint16) string {
	b, _ := json.Marshal(n)
	return string(b)
}

// The role that is printed has the rights that the bridge needs and no others.
func TestSetupRole(t *testing.T) {
	url := pgtest.DB(t, schemas.CRM)
	configure(t, url, "setup_role")
	t.Setenv("SUPABASE_JWT_SECRET", "another secret of thirty-two bytes and more")
	code, out, errs := cli(t, "", "setup", "--role", "Setup Role")
	if code != 0 || !strings.Contains(out, `CREATE ROLE "Setup Role" LOGIN REPLICATION;`) {
		t.Fatalf("%d: %s%s", code, out, errs)
	}
	t.Cleanup(func() {
		_ = pgtest.Exec(context.Background(), url, `drop owned by "Setup Role"`, `drop role "Setup Role"`)
	})
	for statement := range strings.SplitSeq(out, "\n\n") {
		if sql := withoutComments(statement); sql != "" {
			if err := pgtest.Exec(t.Context(), url, sql); err != nil {
				t.Fatalf("%v in %s", err, sql)
			}
		}
	}
	// A second time there is nothing to do, and what went is printed alone.
	if code, out, errs = cli(t, "", "setup", "--role", "Setup Role"); code != 0 || strings.Contains(out, "Setup Role") || !strings.Contains(out, "-- Nothing is missing.") {
		t.Errorf("a second time: %d: %s%s", code, out, errs)
	}
	if err := pgtest.Exec(t.Context(), url, `alter role "Setup Role" noreplication`, `drop policy "Setup Role_reads" on messages`); err != nil {
		t.Fatal(err)
	}
	_, out, _ = cli(t, "", "setup", "--role", "Setup Role")
	lacks := withoutComments(out)
	if !strings.Contains(lacks, `ALTER ROLE "Setup Role" REPLICATION;`) || !strings.Contains(lacks, "CREATE POLICY") || strings.Count(lacks, "Setup Role") != 3 || strings.Contains(out, "Nothing is missing") {
		t.Errorf("what went: %s", out)
	}
	if err := pgtest.Exec(t.Context(), url, lacks); err != nil {
		t.Fatal(err)
	}
	// What was pasted as it is lets nobody in.
	var password *string
	admin, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer admin.Close(t.Context())
	if err := admin.QueryRow(t.Context(), "select rolpassword from pg_authid where rolname = 'Setup Role'").Scan(&password); err != nil || password != nil {
		t.Errorf("the role has a password, %v", err)
	}
	if _, err := admin.Exec(t.Context(), `alter role "Setup Role" password 'given'`); err != nil {
		t.Fatal(err)
	}
	config, err := pgx.ParseConfig(url)
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("DATABASE_URL", "host="+config.Host+" port="+itoa(config.Port)+" dbname="+config.Database+" user='Setup Role' password=given")
	code, out, errs = cli(t, "", "check")
	for _, want := range []string{"ok    role.select", "ok    auth.members", "ok    lookup.questions", "ok    mapping.invented", "ok    publication.offer", "ok    table.index"} {
		if code != 0 || !strings.Contains(out, want) {
			t.Errorf("check with the role lacks %q: %d: %s%s", want, code, out, errs)
		}
	}
	conn, err := pgx.Connect(t.Context(), os.Getenv("DATABASE_URL"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	for sql, may := range map[string]bool{
		"select id, name, phone from contacts": true, "select email from contacts": false, "select tags from contacts": false,
		"select user_id, workspace_id from workspace_members": true, "select role from workspace_members": false,
		"delete from messages": false, "update contacts set name = ''": false,
	} {
		if _, err := conn.Exec(t.Context(), sql); (err == nil) != may {
			t.Errorf("%s: %v", sql, err)
		}
	}
	if code, _, errs = cli(t, "", "setup", "--role", "x", "--apply"); code != 2 || !strings.Contains(errs, "--role is printed only") {
		t.Errorf("%d: %s", code, errs)
	}
}

// For Realtime, the SQL runs against a database with Supabase's publication,
// any number of times.
func TestSetupRealtime(t *testing.T) {
	clean(t)
	t.Setenv("BRIDGE_SOURCE_KIND", "realtime")
	code, out, errs := cli(t, "", "setup")
	if code != 0 {
		t.Fatalf("%d: %s", code, errs)
	}
	url := pgtest.DB(t, schemas.CRM, "alter publication supabase_realtime drop table messages")
	for range 2 {
		if err := pgtest.Exec(t.Context(), url, out); err != nil {
			t.Fatal(err)
		}
	}
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	var n int
	if err := conn.QueryRow(t.Context(), "select count(*) from pg_publication_tables where pubname = 'supabase_realtime'").Scan(&n); err != nil || n != 2 {
		t.Errorf("%d tables, %v", n, err)
	}
	if code, _, errs = cli(t, "", "setup", "--apply"); code != 2 || !strings.Contains(errs, "SQL editor") {
		t.Errorf("--apply: %d: %s", code, errs)
	}
}

// An address as Prisma, node-postgres and libpq have it works as it is, and what is left
// out is said; a parameter that nobody knows ends with 2 and what is accepted.
func TestAddressOfAnotherProgram(t *testing.T) {
	url := pgtest.DB(t, schemas.CRM)
	configure(t, url, "setup_address")
	separator := "?"
	if strings.Contains(url, "?") {
		separator = "&"
	}
	foreign := url + separator + "schema=public&pgbouncer=true&connection_limit=5&uselibpqcompat=true&keepalives=1&keepalives_idle=30"
	t.Setenv("DATABASE_URL", foreign)
	code, out, errs := cli(t, "", "setup", "--apply")
	if code != 0 {
		t.Fatalf("setup: %d: %s%s", code, out, errs)
	}
	code, out, _ = cli(t, "", "check")
	if code != 0 || !strings.Contains(out, "connection_limit (Prisma)") || !strings.Contains(out, "ok    connect.replication") || !strings.Contains(out, "ok    lookup.questions") {
		t.Errorf("check: %d: %s", code, out)
	}
	for _, command := range []string{"serve", "setup"} {
		t.Setenv("DATABASE_URL", url+separator+"sslmod=disable")
		code, _, errs = cli(t, "", command)
		if code != 2 || !strings.Contains(errs, "did you mean sslmode?") || !strings.Contains(errs, "accepted: postgres://") {
			t.Errorf("%s: %d: %s", command, code, errs)
		}
	}
	t.Setenv("DATABASE_URL", url+separator+"sslmode=bogus")
	code, _, errs = cli(t, "", "serve")
	if code != 2 || !strings.Contains(errs, "sslmode is invalid") {
		t.Errorf("serve: %d: %s", code, errs)
	}
	// What only the server can tell.
	t.Setenv("DATABASE_URL", url+separator+"enable_nonsense=on")
	code, _, errs = cli(t, "", "serve")
	if code != 2 || !strings.Contains(errs, "enable_nonsense") || !strings.Contains(errs, "connect.parameter") || !strings.Contains(errs, "are accepted") {
		t.Errorf("serve: %d: %s", code, errs)
	}
}
