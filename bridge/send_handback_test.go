package bridge_test

import (
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"chatbridge/bridge/gateway"
	"chatbridge/internal/chatengine"
	"chatbridge/internal/functiondouble"
	"chatbridge/internal/schemas"
	"chatbridge/internal/throwaway/pgtest"
)

// TestHandedBackWhileItsTextIsSent: who is handed back to ChatEngine while the function has
// a text hears there what became of it, however much later that is, its sender and the
// others.
func TestHandedBackWhileItsTextIsSent(t *testing.T) {
	t.Parallel()
	const ana, bob = "05e40000-0000-4000-8000-00000000000a", "05e40000-0000-4000-8000-00000000000b"
	dsn := pgtest.DB(t, schemas.CRM, "insert into workspace_members (user_id, workspace_id, role) values ('"+ana+"', '"+workspace+"', 'agent'), ('"+bob+"', '"+workspace+"', 'agent')")
	_, ids := crmDatabase(t, dsn, 1)
	function := functiondouble.Start(t, functiondouble.Options{DatabaseURL: dsn, Choose: func(functiondouble.Call) functiondouble.Way { return functiondouble.Waits }})
	engine := chatengine.New(t, chatengine.Options{DatabaseURL: dsn, Secret: sessionSecret})
	d := startDaemon(t, dsn, "CHATENGINE_URL="+engine.URL().String(), "SUPABASE_JWT_SECRET="+sessionSecret, "SUPABASE_ANON_KEY=sb_publishable_x",
		"BRIDGE_SEND_MODE=function", "BRIDGE_SEND_FUNCTION_URL="+function.URL, "BRIDGE_SEND_STATE_FILE="+filepath.Join(t.TempDir(), "sends"),
		"BRIDGE_SEND_TIMEOUT=60s", "BRIDGE_GATEWAY_INTERVAL=50ms", "BRIDGE_GATEWAY_RECOVER_AFTER=100ms")
	d.ready()
	state := func(want gateway.State) {
		t.Helper()
		d.await("the gateway to be "+want.String(), func() bool { return d.Snapshot().Gateway.Status.State == want })
	}
	state(gateway.Upstream)
	engine.Kill()
	state(gateway.Local)
	var both []*crm
	for _, user := range []string{ana, bob} {
		session := sign(t, jwt.SigningMethodHS256, []byte(sessionSecret), jwt.MapClaims{
			"sub": user, "workspace_id": workspace, "aud": "authenticated", "role": "authenticated", "exp": time.Now().Add(time.Hour).Unix(),
		})
		both = append(both, d.clientWith(map[string]any{"token": session, "workspaceId": workspace}, ids...))
	}
	d.live(2)
	both[0].sends(ids[0], "opt_1")
	function.Await(t, 1)
	for _, c := range both {
		c.await("the text", func(events []event) bool { return len(statuses(events, "opt_1")) > 0 })
	}
	if err := engine.Restore(t.Context()); err != nil {
		t.Fatal(err)
	}
	state(gateway.Upstream)
	d.await("both to be caught up at ChatEngine", func() bool {
		s := d.Snapshot().Gateway.CatchUps
		return s["done"]+s["late"] == 2
	})
	for _, c := range both {
		events := c.await("anything", func([]event) bool { return true })
		if got := statuses(events, "opt_1"); slices.Contains(got, "sent") {
			t.Fatalf("it was sent before its time: %v", got)
		}
	}
	function.Release()
	for _, c := range both {
		c.sent("opt_1")
	}
}

// statuses are those that a text was told with under the client's id, or as its row.
func statuses(events []event, id string) (all []string) {
	for _, e := range events {
		metadata, _ := e.Payload["metadata"].(map[string]any)
		if e.Name == "messageStatus" && e.Payload["messageId"] == id || e.Name == "message" && (e.Payload["id"] == id || metadata["clientMessageId"] == id) {
			status, _ := e.Payload["status"].(string)
			all = append(all, status)
		}
	}
	return all
}
