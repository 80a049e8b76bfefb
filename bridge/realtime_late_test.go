package bridge_test

import (
	"slices"
	"testing"
	"time"

	"chatbridge/internal/realtimedouble"
	"chatbridge/internal/schemas"
	"chatbridge/internal/throwaway/pgtest"
)

// TestLossWithoutASign: a message that Realtime drops while it delivers later ones of the
// conversation comes after them, with the time that it has in the table; and what the
// conversation then shows last is its newest message. Known is the newest one from the
// stream (the first conversation), or from nowhere, and it is looked up over PostgREST
// (the second).
func TestLossWithoutASign(t *testing.T) {
	t.Parallel()
	dsn := pgtest.DB(t, realtimedouble.Roles, schemas.CRM)
	conn, ids := crmDatabase(t, dsn, 2)
	p := startProject(t, dsn)
	insert := func(conversation, body, age string) (created time.Time) {
		t.Helper()
		if err := conn.QueryRow(t.Context(), `insert into messages (workspace_id, conversation_id, body, status, is_outgoing, sender_jid, created_at)
			values ($1, $2, $3, 'delivered', false, '5511999999999@s.whatsapp.net', clock_timestamp() - $4::interval) returning created_at`,
			workspace, conversation, body, age).Scan(&created); err != nil {
			t.Fatal(err)
		}
		return created
	}
	insert(ids[1], "from before the start", "20 minutes")
	d := runDaemon(t, []string{
		"BRIDGE_SOURCE_KIND=realtime", "SUPABASE_URL=" + p.URL(), "SUPABASE_SERVICE_ROLE_KEY=" + p.Key(),
		"BRIDGE_SOURCE_REALTIME_RECONCILE_INTERVAL=2s",
	})
	d.ready()
	c := d.client(ids...)
	d.live(1)
	insert(ids[0], "streamed before", "0 s")
	c.await("what streams", func(events []event) bool { return bodies(events)["streamed before"] })
	p.Drain()
	p.Swallow(2)
	lost := map[string]time.Time{
		"lost":     insert(ids[0], "lost", "0 s"),
		"lost old": insert(ids[1], "lost old", "40 minutes"),
	}
	insert(ids[0], "newest", "0 s")
	events := c.await("what was lost", func(events []event) bool {
		b := bodies(events)
		return b["lost"] && b["lost old"] && b["newest"] && shownAfter(events, ids[0], "lost") != "" && shownAfter(events, ids[1], "lost old") != ""
	})
	at := func(body string) int {
		return slices.IndexFunc(events, func(e event) bool { return e.Name == "message" && e.Payload["content"] == body })
	}
	// Not by the order: what was lost may be read back before the newest row is written.
	if s := d.Snapshot().Realtime; s == nil || s.Reconciled == 0 {
		t.Errorf("nothing was lost: %+v", s)
	}
	for body, created := range lost {
		if got, want := events[at(body)].Payload["createdAt"], created.UTC().Format("2006-01-02T15:04:05.000Z"); got != want {
			t.Errorf("%s: createdAt %v, want %v", body, got, want)
		}
	}
	if got := shownAfter(events, ids[0], "lost"); got != "newest" {
		t.Errorf("the first conversation shows %q last", got)
	}
	if got := shownAfter(events, ids[1], "lost old"); got != "from before the start" {
		t.Errorf("the second conversation shows %q last", got)
	}
	if s := d.Snapshot().Pipeline; s.Gaps != 0 {
		t.Errorf("%d gaps", s.Gaps)
	}
}

// shownAfter is the last message that a conversation shows in the last event after that
// of a message, "" if none followed.
func shownAfter(events []event, conversation, body string) (content string) {
	after := false
	for _, e := range events {
		switch {
		case e.Name == "message" && e.Payload["content"] == body:
			after = true
		case e.Name == "conversation" && after && e.Payload["id"] == conversation:
			last, _ := e.Payload["lastMessage"].(map[string]any)
			content, _ = last["content"].(string)
		}
	}
	return content
}
