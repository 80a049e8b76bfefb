package main

import (
	"context"
	"fmt"
	neturl "net/url"
	"os"
	"strings"
	"testing"

	"chatbridge/internal/schemas"
	"chatbridge/internal/throwaway"
	"chatbridge/internal/throwaway/pgtest"

	"github.com/jackc/pgx/v5"
)

// TestSetupRemove: all that a bridge leaves is printed, then removed, and not while
// somebody reads it.
func TestSetupRemove(t *testing.T) {
	cluster := pgtest.Cluster(t, throwaway.Options{TCP: true})
	url := pgtest.On(t, cluster, schemas.CRM)
	configure(t, url, "removed")
	if code, out, errs := cli(t, "", "setup", "--apply"); code != 0 {
		t.Fatalf("%d: %s%s", code, out, errs)
	}
	_, role, _ := cli(t, "", "setup", "--role", "removed role")
	for statement := range strings.SplitSeq(role, "\n\n") {
		if sql := withoutComments(statement); sql != "" && !strings.Contains(sql, "ADD TABLE") {
			if err := pgtest.Exec(t.Context(), url, sql); err != nil {
				t.Fatal(err)
			}
		}
	}
	// The bridge runs: it makes the large object, and reads the slot.
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan struct{})
	log := &buffer{}
	go func() {
		defer close(ended)
		run(ctx, []string{"serve"}, streams{strings.NewReader(""), &buffer{}, log})
	}()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.WithoutCancel(t.Context()))
	await(t, conn, log, `select exists (select from pg_replication_slots where slot_name = 'removed' and active)`)
	if err := pgtest.Exec(t.Context(), url, `insert into contacts (workspace_id, name, phone) values (gen_random_uuid(), 'A', '1')`,
		`insert into conversations (workspace_id, contact_id) select workspace_id, id from contacts`); err != nil {
		t.Fatal(err)
	}
	code, out, errs := cli(t, "", "setup", "--remove", "--apply")
	if code != exitFailed || !strings.Contains(errs, fmt.Sprintf("/%d, from 127.0.0.1", os.Getpid())) || !strings.Contains(errs, "systemctl disable --now") {
		t.Errorf("while it runs: %d: %s%s", code, out, errs)
	}
	// A role without rights sees no addresses: that is not as if there were none.
	if err := pgtest.Exec(t.Context(), url, "create role onlooker login password 'looks'"); err != nil {
		t.Fatal(err)
	}
	onlooker, err := neturl.Parse(url)
	if err != nil {
		t.Fatal(err)
	}
	onlooker.User = neturl.UserPassword("onlooker", "looks")
	t.Setenv("DATABASE_URL", onlooker.String())
	code, out, errs = cli(t, "", "setup", "--remove", "--apply")
	if code != exitFailed || !strings.Contains(errs, "from an address that the role onlooker may not see") || !strings.Contains(errs, "pg_read_all_stats") {
		t.Errorf("to a role without rights: %d: %s%s", code, out, errs)
	}
	t.Setenv("DATABASE_URL", url)
	await(t, conn, log, `select exists (select from pg_largeobject_metadata)`)
	stop()
	<-ended
	// What is written meanwhile is kept for the slot.
	if err := pgtest.Exec(t.Context(), url, `select pg_logical_emit_message(false, 'x', repeat('x', 3000000))`); err != nil {
		t.Fatal(err)
	}

	// In front of ChatEngine it kept more.
	t.Setenv("STATE_DIRECTORY", "/var/lib/chatbridge")
	t.Setenv("BRIDGE_GATEWAY_UPSTREAM", "http://127.0.0.1:9")
	statements := []string{"/var/lib/chatbridge/state, /var/lib/chatbridge/state-departures, /var/lib/chatbridge/ledger\n", "pg_drop_replication_slot('removed')", `DROP PUBLICATION "bridge"`, "lo_unlink(", `REVOKE USAGE ON SCHEMA "public" FROM "removed role"`, `REVOKE SELECT ON "public"."messages" FROM "removed role"`, `DROP POLICY "removed role_reads" ON "public"."messages"`, `DROP ROLE "removed role"`}
	for _, apply := range []string{"--apply=false", "--apply"} {
		code, out, errs = cli(t, "", "setup", "--remove", "--role", "removed role", apply)
		if code != 0 || !strings.Contains(out, "kB of its log") {
			t.Errorf("%s: %d: %s%s", apply, code, out, errs)
		}
		for _, s := range statements {
			if strings.Count(out, s) != 1 {
				t.Errorf("%s: no %s in %s", apply, s, out)
			}
		}
	}
	var left int
	if err := conn.QueryRow(t.Context(), `select (select count(*) from pg_replication_slots) + (select count(*) from pg_publication where pubname = 'bridge')
		+ (select count(*) from pg_largeobject_metadata) + (select count(*) from pg_roles where rolname = 'removed role')
		+ (select count(*) from pg_policies)`).Scan(&left); err != nil || left != 0 {
		t.Errorf("%d things are left, %v", left, err)
	}
	if code, out, _ = cli(t, "", "setup", "--remove", "--role", "removed role", "--apply"); code != 0 || !strings.Contains(out, "Nothing is left") {
		t.Errorf("a second time: %d: %s", code, out)
	}
}

// What is or may be somebody else's is left, and said.
func TestSetupRemoveLeavesOthers(t *testing.T) {
	cluster := pgtest.Cluster(t, throwaway.Options{TCP: true})
	url := pgtest.On(t, cluster, schemas.CRM, "create publication bridge for table messages", "select pg_create_logical_replication_slot('another', 'pgoutput')")
	configure(t, url, "removed")
	code, out, errs := cli(t, "", "setup", "--remove", "--apply", "--role", "postgres")
	if code != 0 || !strings.Contains(out, "-- Left: the publication bridge stays") || !strings.Contains(out, "(another)") || !strings.Contains(out, "-- Left: the role postgres stays") {
		t.Errorf("%d: %s%s", code, out, errs)
	}
	t.Setenv("BRIDGE_SOURCE_POSTGRES_PUBLICATION", "supabase_realtime")
	if code, out, errs = cli(t, "", "setup", "--remove", "--apply"); code != 0 || !strings.Contains(out, "Realtime's, and stays") {
		t.Errorf("%d: %s%s", code, out, errs)
	}
	if err := pgtest.Exec(t.Context(), url, "select pg_create_logical_replication_slot('removed', 'test_decoding')"); err != nil {
		t.Fatal(err)
	}
	if code, out, errs = cli(t, "", "setup", "--remove", "--apply"); code != exitFailed || !strings.Contains(errs, "no bridge's") {
		t.Errorf("%d: %s%s", code, out, errs)
	}
}

// await waits until a query gives true.
func await(t *testing.T, conn *pgx.Conn, log *buffer, sql string) {
	t.Helper()
	const limit = "30s"
	if _, err := conn.Exec(t.Context(), `set statement_timeout = '`+limit+`'`); err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Exec(t.Context(), `do $$ begin while not (`+sql+`) loop perform pg_sleep(0.01); perform pg_stat_clear_snapshot(); commit; end loop; end $$`); err != nil {
		t.Fatalf("%s: %v: %s", sql, err, log.String())
	}
}
