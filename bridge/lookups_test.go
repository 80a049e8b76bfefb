package bridge_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"chatbridge/internal/schemas"
	"chatbridge/internal/throwaway/pgtest"
)

// Tables that somebody locks cost names only as long as they are locked: what
// went out without goes out again, whether or not anything else happens.
func TestLockedTablesCostNamesForAWhile(t *testing.T) {
	t.Parallel()
	dsn := pgtest.DB(t, schemas.CRM)
	conn, ids := crmDatabase(t, dsn, 1)
	d := startDaemon(t, dsn, "BRIDGE_LOOKUP_TIMEOUT=100ms")
	d.ready()
	c := d.client(ids[0])
	d.live(1)
	locker, err := pgx.Connect(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer locker.Close(t.Context())
	if _, err := locker.Exec(t.Context(), "begin; lock table contacts in access exclusive mode"); err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Exec(t.Context(), "insert into messages (id, workspace_id, conversation_id, body, status, is_outgoing) values (gen_random_uuid(), $1, $2, 'hi', 'sent', false)", workspace, ids[0]); err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Exec(t.Context(), "update messages set status = 'read'"); err != nil {
		t.Fatal(err)
	}
	short := c.await("the status", func(events []event) bool {
		return slices.ContainsFunc(events, func(e event) bool { return e.Name == "messageStatus" })
	})
	if short[0].Name != "message" || short[0].Payload["senderId"] != "99900000000" || short[1].Name != "conversation" || len(short[1].Payload["participants"].([]any)) != 0 {
		t.Fatalf("not short: %v", short)
	}
	// The status and the log come after the events.
	d.await("two events owed", func() bool {
		l := d.Snapshot().Pipeline.Mapping.Lookups
		return l.Failing && l.Owed == 2
	})
	if _, err := locker.Exec(t.Context(), "rollback"); err != nil {
		t.Fatal(err)
	}
	all := c.await("the corrected events", func(events []event) bool { return len(events) >= len(short)+2 })[len(short):]
	message, conversation := all[0], all[1]
	if message.Name == "conversation" { // an attempt to correct both that failed half-way leaves the other order
		message, conversation = conversation, message
	}
	if message.Name != "message" || message.Payload["id"] != short[0].Payload["id"] || message.Payload["senderId"] != "5511900000000" || message.Payload["status"] != "read" {
		t.Errorf("corrected message %v", message)
	}
	if people, _ := conversation.Payload["participants"].([]any); conversation.Name != "conversation" || len(people) != 1 || people[0].(map[string]any)["name"] != "Contact 0" {
		t.Errorf("corrected conversation %v", conversation)
	}
	if last := short[len(short)-1].Offset; all[0].Offset <= last || all[1].Offset <= all[0].Offset {
		t.Errorf("offsets %s, %s after %s", message.Offset, conversation.Offset, last)
	}
	d.await("nothing being owed", func() bool {
		l := d.Snapshot().Pipeline.Mapping.Lookups
		return !l.Failing && l.Owed == 0 && l.Settled == 2 && l.Abandoned == 0
	})
	// An attempt that failed half-way is told as well, but not each that fails.
	logged := func(line string) int { return strings.Count(d.log.String(), `msg="`+line) }
	d.await("as many log lines for the end of failing as for its beginning", func() bool {
		n := logged("look-ups work again")
		return n > 0 && n == logged("look-ups fail")
	})
}

// A time that is looked up is the row's, however the database would print it.
func TestLookedUpTimesInAGermanDatabase(t *testing.T) {
	t.Parallel()
	dsn := pgtest.DB(t, schemas.CRM, "do $$ begin execute format('alter database %I set datestyle = German', current_database()); end $$")
	conn, ids := crmDatabase(t, dsn, 1)
	if _, err := conn.Exec(t.Context(), "alter table conversations disable trigger all; update conversations set updated_at = '2001-02-03 04:05:06.789+00'"); err != nil {
		t.Fatal(err)
	}
	d := startDaemon(t, dsn)
	d.ready()
	c := d.client(ids[0])
	d.live(1)
	if _, err := conn.Exec(t.Context(), insertMessage, workspace, ids[0], "hi"); err != nil {
		t.Fatal(err)
	}
	got := c.await("the conversation event", func(events []event) bool { return len(events) == 2 })
	if got[1].Name != "conversation" || got[1].Payload["updatedAt"] != "2001-02-03T04:05:06.789Z" {
		t.Errorf("got %v", got[1])
	}
}

// What is too large for one event is sent shortened, counted and told.
func TestLimitsEvent(t *testing.T) {
	t.Parallel()
	dsn := pgtest.DB(t, schemas.CRM)
	conn, ids := crmDatabase(t, dsn, 1)
	d := startDaemon(t, dsn, "BRIDGE_LIMITS_EVENT=64KiB")
	d.ready()
	c := d.client(ids[0])
	d.live(1)
	if _, err := conn.Exec(t.Context(), insertMessage, workspace, ids[0], strings.Repeat("x", 1<<20)); err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Exec(t.Context(), insertMessage, workspace, ids[0], "small"); err != nil {
		t.Fatal(err)
	}
	got := c.await("both messages", func(events []event) bool { return len(events) == 4 })
	content, _ := got[0].Payload["content"].(string)
	metadata, _ := got[0].Payload["metadata"].(map[string]any)
	if len(content) > 32<<10 || len(content) < 30<<10 || !strings.HasSuffix(content, "x… [shortened]") || metadata["shortened"] != true {
		t.Errorf("%d bytes of content, metadata %v", len(content), metadata)
	}
	if got[2].Payload["content"] != "small" {
		t.Errorf("then came %v", got[2])
	}
	if m := d.Snapshot().Pipeline.Mapping; m.Shortened["message"] != 1 || m.Shortened["conversation"] != 1 || m.LeftOut["message"] != 0 {
		t.Errorf("status: %+v", m)
	}
	if n := strings.Count(d.log.String(), "larger than limits.event (65536 bytes)"); n != 2 { // one for each table
		t.Errorf("%d log lines:\n%s", n, d.log)
	}
}

// TestLookupsAreReady: a connection for look-ups has asked before the first row comes, so
// that this row does not wait for it.
func TestLookupsAreReady(t *testing.T) {
	t.Parallel()
	dsn := pgtest.DB(t, schemas.CRM)
	conn, _ := crmDatabase(t, dsn, 1)
	d := startDaemon(t, dsn)
	d.ready()
	d.await("a connection for look-ups", func() bool {
		n := 0
		if err := conn.QueryRow(t.Context(), `select count(*) from pg_stat_activity where datname = current_database()
			and application_name = 'chatbridge-lookup' and state = 'idle' and query like '%contacts%'`).Scan(&n); err != nil {
			t.Fatal(err)
		}
		return n > 0
	})
}
