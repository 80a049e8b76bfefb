package bridge_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"chatbridge/internal/schemas"
	"chatbridge/internal/throwaway"
	"chatbridge/internal/throwaway/pgtest"

	"github.com/jackc/pgx/v5"
)

// The password of the database's role changes: after a reload the bridge connects with the
// new one, and who is connected stays. Another database takes a restart.
func TestDatabasePasswordIsReloaded(t *testing.T) {
	t.Parallel()
	cluster := pgtest.Cluster(t, throwaway.Options{TCP: true})
	dsn := cluster.URL("postgres")
	setup, err := pgx.Connect(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer setup.Close(t.Context())
	for _, sql := range []string{schemas.CRM, "create role rotating superuser login password 'first'"} {
		if _, err := setup.Exec(t.Context(), sql, pgx.QueryExecModeSimpleProtocol); err != nil {
			t.Fatal(err)
		}
	}
	conn, ids := crmDatabase(t, dsn, 1)
	env := func(password string) []string { return []string{"DATABASE_URL=" + as(t, dsn, "rotating", password)} }
	d := runDaemon(t, env("first"))
	d.ready()
	c := d.client(ids[0])
	d.live(1)

	if _, err := conn.Exec(t.Context(), "alter role rotating password 'second'"); err != nil {
		t.Fatal(err)
	}
	cfg := load(t, env("second"))
	cfg.Listen, cfg.Admin.Listen = "127.0.0.1:0", "127.0.0.1:0"
	if changed, restart, err := d.Reload(cfg); err != nil || !slices.Equal(changed, []string{"source.postgres.url"}) || len(restart) > 0 {
		t.Fatalf("changed %v, take a restart %v, %v", changed, restart, err)
	}
	// Whatever is connected with the first one has to connect anew.
	if _, err := conn.Exec(t.Context(), "select pg_terminate_backend(pid) from pg_stat_activity where usename = 'rotating'"); err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Exec(t.Context(), insertMessage, workspace, ids[0], "after the change"); err != nil {
		t.Fatal(err)
	}
	// A contact's name comes from a look-up, by a pool of its own.
	got := c.await("the message and the conversation with its contact", func(events []event) bool {
		return slices.ContainsFunc(events, func(e event) bool {
			return e.Name == "conversation" && strings.Contains(fmt.Sprint(e.Payload), "Contact 0")
		})
	})
	if got[0].Payload["content"] != "after the change" {
		t.Errorf("first event %v", got[0])
	}

	other := load(t, []string{"DATABASE_URL=" + as(t, cluster.URL("template1"), "rotating", "second")})
	if changed, restart, err := d.Reload(other); err != nil || len(changed) > 0 || !slices.Equal(restart, []string{"source.postgres.url"}) {
		t.Errorf("changed %v, take a restart %v, %v", changed, restart, err)
	}
}
