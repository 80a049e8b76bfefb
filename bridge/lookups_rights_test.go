package bridge_test

import (
	"context"
	"net/url"
	"slices"
	"strings"
	"testing"

	"chatbridge/bridge/requirements"
	"chatbridge/internal/schemas"
	"chatbridge/internal/throwaway/pgtest"
	"chatbridge/mapping"
	"chatbridge/source/postgres/provision"
)

// The role that `bridge setup --role` prints finds all that events show. What it may
// not read is missing from them, and is said once, with the remedy.
func TestTheRoleOfSetup(t *testing.T) {
	t.Parallel()
	const role = "daemon_least"
	dsn := pgtest.DB(t, schemas.CRM, publish)
	conn, ids := crmDatabase(t, dsn, 2)
	exec(t, dsn, "update contacts set avatar_url = 'https://cdn.example/' || name",
		"insert into messages (workspace_id, conversation_id, body, is_outgoing) values ('"+workspace+"', '"+ids[0]+"', 'before the bridge', false)")
	spec, err := mapping.Load("crm", "")
	if err != nil {
		t.Fatal(err)
	}
	u, err := url.Parse(dsn)
	if err != nil {
		t.Fatal(err)
	}
	u.User = url.UserPassword(role, "given")
	want, err := requirements.Read(t.Context(), conn, load(t, []string{"DATABASE_URL=" + dsn}), spec)
	if err != nil {
		t.Fatal(err)
	}
	for _, statement := range provision.RoleSQL(want, role) {
		exec(t, dsn, statement.SQL)
	}
	exec(t, dsn, "alter role "+role+" password 'given'")
	t.Cleanup(func() {
		// A slot is its cluster's, and the role's rights are in this database.
		_ = pgtest.Exec(context.Background(), dsn, "drop owned by "+role, "drop role "+role)
	})

	d := startDaemon(t, u.String())
	d.ready()
	c := d.client()
	d.live(1)
	conversation := func(id string) event {
		t.Helper()
		if _, err := conn.Exec(t.Context(), "update conversations set last_message_at = now() where id = $1", id); err != nil {
			t.Fatal(err)
		}
		is := func(e event) bool { return e.Name == "conversation" && e.Payload["id"] == id }
		events := c.await("the conversation event", func(events []event) bool { return slices.ContainsFunc(events, is) })
		return events[slices.IndexFunc(events, is)]
	}
	e := conversation(ids[0])
	last, _ := e.Payload["lastMessage"].(map[string]any)
	people, _ := e.Payload["participants"].([]any)
	if last["content"] != "before the bridge" || len(people) != 1 || people[0].(map[string]any)["name"] != "Contact 0" {
		t.Errorf("got %v", e.Payload)
	}
	if strings.Contains(d.log.String(), "look-up") {
		t.Errorf("the log complains:\n%s", d.log)
	}

	exec(t, dsn, "revoke select (avatar_url) on contacts from "+role)
	e = conversation(ids[1])
	if people, _ = e.Payload["participants"].([]any); len(people) != 1 || people[0].(map[string]any)["name"] != "Contact 1" {
		t.Errorf("got %v", e.Payload)
	}
	const line = "a look-up has no right to what it reads"
	if n := strings.Count(d.log.String(), line); n != 1 || !strings.Contains(d.log.String(), "GRANT SELECT (") {
		t.Errorf("%d log lines:\n%s", n, d.log)
	}
	if w := d.Snapshot().Warnings; !slices.ContainsFunc(w, func(s string) bool { return strings.Contains(s, "may not read avatar_url of public.contacts") }) {
		t.Errorf("/status does not warn: %q", w)
	}
}

// TestTheRoleOfAnOlderSetup: a role that was made for an earlier version may lack a
// column that is looked up now. The daemon serves all the same, says what to grant, and
// sends what it sent without names again.
func TestTheRoleOfAnOlderSetup(t *testing.T) {
	t.Parallel()
	const role = "daemon_older"
	dsn := pgtest.DB(t, schemas.CRM, publish)
	conn, ids := crmDatabase(t, dsn, 1)
	exec(t, dsn, "create role "+role+" login replication password 'given'", "grant usage on schema public to "+role,
		"grant select on messages, conversations to "+role, "grant select (id, name, phone, avatar_url) on contacts to "+role)
	t.Cleanup(func() { _ = pgtest.Exec(context.Background(), dsn, "drop owned by "+role, "drop role "+role) })
	u, err := url.Parse(dsn)
	if err != nil {
		t.Fatal(err)
	}
	u.User = url.UserPassword(role, "given")
	d := startDaemon(t, u.String())
	d.ready()
	c := d.client()
	d.live(1)
	if _, err := conn.Exec(t.Context(), "update conversations set last_message_at = now() where id = $1", ids[0]); err != nil {
		t.Fatal(err)
	}
	named := func(e event) bool {
		people, _ := e.Payload["participants"].([]any)
		return e.Name == "conversation" && len(people) == 1
	}
	c.await("the conversation without names", func(events []event) bool {
		return slices.ContainsFunc(events, func(e event) bool { return e.Name == "conversation" && !named(e) })
	})
	exec(t, dsn, "grant select on contacts to "+role)
	c.await("the conversation with its names", func(events []event) bool { return slices.ContainsFunc(events, named) })
	if log := d.log.String(); !strings.Contains(log, "look-ups fail") || !strings.Contains(log, "GRANT SELECT (") {
		t.Errorf("the log does not say what to grant:\n%s", log)
	}
}
