package bridge_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"chatbridge/internal/realtimedouble"
	"chatbridge/internal/schemas"
	"chatbridge/internal/throwaway/pgtest"
)

// TestReadyzWhileRealtimeLoses: what is lost and what cannot be read back are seen from
// outside, until it is over; none of it makes the bridge not ready.
func TestReadyzWhileRealtimeLoses(t *testing.T) {
	t.Parallel()
	dsn := pgtest.DB(t, realtimedouble.Roles, schemas.CRM)
	conn, ids := crmDatabase(t, dsn, 1)
	p := startProject(t, dsn)
	d := runDaemon(t, []string{
		"BRIDGE_SOURCE_KIND=realtime", "SUPABASE_URL=" + p.URL(), "SUPABASE_SERVICE_ROLE_KEY=" + p.Key(),
		"BRIDGE_SOURCE_REALTIME_RECONCILE_INTERVAL=1s",
	})
	d.ready()
	said := func(status string) {
		t.Helper()
		d.await("/readyz saying "+status, func() bool {
			code, body := d.get("/readyz")
			if code != http.StatusOK {
				t.Fatalf("%d %s", code, body)
			}
			return strings.Contains(body, `"status": "`+status+`"`)
		})
	}
	said("ok")
	// What is lost around a subscription, a loss that has a sign, is no such loss.
	c := d.client(ids[0])
	// It is said for two seconds, and a busy machine may take longer for the client's event.
	degraded := false
	look := func() {
		_, body := d.get("/readyz")
		degraded = degraded || strings.Contains(body, `"status": "degraded"`) && strings.Contains(d.admin("/status"), "the stream loses changes")
	}
	for n := 0; !degraded; n++ {
		if n == 10 {
			t.Fatal("it does not say that the stream loses changes")
		}
		body := fmt.Sprint("lost ", n)
		p.Drain()
		p.Swallow(1)
		if _, err := conn.Exec(t.Context(), insertMessage, workspace, ids[0], body); err != nil {
			t.Fatal(err)
		}
		c.await(body, func(events []event) bool { look(); return bodies(events)[body] })
		look()
	}
	said("ok")
	p.failReading(true)
	said("degraded")
	if body := d.admin("/status"); !strings.Contains(body, "what the stream loses is not read back since") {
		t.Errorf("/status does not say why: %s", body)
	}
	p.failReading(false)
	said("ok")
}

// TestRealtimeReadsBackWithSQL: where there is a database's address, PostgREST is not
// asked for anything.
func TestRealtimeReadsBackWithSQL(t *testing.T) {
	t.Parallel()
	dsn := pgtest.DB(t, realtimedouble.Roles, schemas.CRM)
	conn, ids := crmDatabase(t, dsn, 1)
	p := startProject(t, dsn)
	p.failReading(true)
	d := runDaemon(t, []string{
		"BRIDGE_SOURCE_KIND=realtime", "SUPABASE_URL=" + p.URL(), "SUPABASE_SERVICE_ROLE_KEY=" + p.Key(),
		"BRIDGE_SOURCE_REALTIME_RECONCILE_INTERVAL=1s", "BRIDGE_LOOKUP_URL=" + dsn,
	})
	d.ready()
	c := d.client(ids[0])
	d.live(1)
	p.Silence(true)
	if _, err := conn.Exec(t.Context(), insertMessage, workspace, ids[0], "lost"); err != nil {
		t.Fatal(err)
	}
	c.await("what the stream lost", func(events []event) bool { return bodies(events)["lost"] })
	if p.asked(p.Key()) {
		t.Error("PostgREST was asked")
	}
}
