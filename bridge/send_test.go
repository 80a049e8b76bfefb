package bridge_test

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"chatbridge/internal/functiondouble"
	"chatbridge/internal/schemas"
	"chatbridge/internal/throwaway/pgtest"
)

// startSending is a daemon that sends by a function that waits, and a client.
func startSending(t *testing.T) (d *daemonTest, c *crm, function *functiondouble.Server, env []string, conversation string) {
	t.Helper()
	const user = "05e40000-0000-4000-8000-00000000000a"
	dsn := pgtest.DB(t, schemas.CRM, "insert into workspace_members (user_id, workspace_id, role) values ('"+user+"', '"+workspace+"', 'agent')")
	_, ids := crmDatabase(t, dsn, 1)
	function = functiondouble.Start(t, functiondouble.Options{DatabaseURL: dsn, Choose: func(functiondouble.Call) functiondouble.Way { return functiondouble.Waits }})
	env = []string{
		"SUPABASE_JWT_SECRET=" + sessionSecret, "SUPABASE_ANON_KEY=sb_publishable_x", "BRIDGE_SEND_MODE=function",
		"BRIDGE_SEND_FUNCTION_URL=" + function.URL, "BRIDGE_SEND_STATE_FILE=" + filepath.Join(t.TempDir(), "sends"),
	}
	d = startDaemon(t, dsn, env...)
	d.ready()
	session := sign(t, jwt.SigningMethodHS256, []byte(sessionSecret), jwt.MapClaims{
		"sub": user, "aud": "authenticated", "role": "authenticated", "exp": time.Now().Add(time.Hour).Unix(),
	})
	c = d.clientWith(map[string]any{"token": session, "workspaceId": workspace}, ids[0])
	d.live(1)
	return d, c, function, append(env, "DATABASE_URL="+dsn), ids[0]
}

// sent waits until the client has been told that a message was sent.
func (c *crm) sent(id string) {
	c.t.Helper()
	c.await("that "+id+" was sent", func(events []event) bool {
		return slices.ContainsFunc(events, func(e event) bool {
			return e.Name == "messageStatus" && e.Payload["messageId"] == id && e.Payload["status"] == "sent"
		})
	})
}

func (c *crm) sends(conversation, id string) {
	c.t.Helper()
	if err := c.Emit("sendMessage", map[string]any{"type": "sendMessage", "conversationId": conversation, "content": "Olá", "messageId": id}); err != nil {
		c.t.Fatal(err)
	}
}

// TestTheConversationMovesAtOnce: before anything is stored, its event has the text as
// last message, and all else as its row has it.
func TestTheConversationMovesAtOnce(t *testing.T) {
	t.Parallel()
	_, c, function, _, conversation := startSending(t)
	c.sends(conversation, "opt_1")
	function.Await(t, 1)
	events := c.await("the conversation", func(events []event) bool {
		return slices.ContainsFunc(events, func(e event) bool { return e.Name == "conversation" && e.Offset == "" })
	})
	i := slices.IndexFunc(events, func(e event) bool { return e.Name == "conversation" && e.Offset == "" })
	if i < 1 || events[i-1].Name != "message" || events[i-1].Payload["id"] != "opt_1" {
		t.Fatalf("before it came %+v", events[:i])
	}
	p := events[i].Payload
	last, _ := p["lastMessage"].(map[string]any)
	participants, _ := p["participants"].([]any)
	if p["id"] != conversation || p["workspaceId"] != workspace || p["contactId"] == nil || last["id"] != "opt_1" || last["content"] != "Olá" || len(participants) != 1 {
		t.Errorf("it is %+v", p)
	}
	function.Release()
	c.sent("opt_1")
}

// TestAReloadLosesNothingThatIsSent, nor does the end of the process, whose clients hear
// what became of it.
func TestAReloadLosesNothingThatIsSent(t *testing.T) {
	t.Parallel()
	d, c, function, env, conversation := startSending(t)
	c.sends(conversation, "opt_1")
	function.Await(t, 1)
	if _, needsRestart, err := d.Reload(load(t, append(env, "BRIDGE_SEND_PER_MINUTE=7", "BRIDGE_LOG_LEVEL=debug"))); err != nil || !slices.Contains(needsRestart, "send.per_minute") {
		t.Errorf("reloaded: %v, %v", needsRestart, err)
	}
	if n := d.Snapshot().Send.InFlight; n != 1 {
		t.Errorf("%d are on their way", n)
	}
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		d.stop()
	}()
	d.await("the end to begin", func() bool { return !d.Snapshot().Send.Ready })
	function.Release()
	c.sent("opt_1")
	<-stopped
	if n := d.Snapshot().Send.Results["sent"]; n != 1 {
		t.Errorf("%d were sent", n)
	}
}

// TestATextIsKnownWithoutTheFile: the stream tells of its row again, whose client's id WhatsApp's
// has replaced, and it is not sent once more.
func TestATextIsKnownWithoutTheFile(t *testing.T) {
	t.Parallel()
	d, c, function, env, conversation := startSending(t)
	function.Release()
	c.sends(conversation, "opt_1")
	c.sent("opt_1")
	c.await("its row", func(events []event) bool {
		return slices.ContainsFunc(events, func(e event) bool { return e.Name == "messageStatus" && e.Offset != "" })
	})
	d.stop()
	dsn := strings.TrimPrefix(env[len(env)-1], "DATABASE_URL=")
	d = startDaemon(t, dsn, append(env, "BRIDGE_SEND_STATE_FILE="+filepath.Join(t.TempDir(), "sends"))...)
	d.ready()
	session := sign(t, jwt.SigningMethodHS256, []byte(sessionSecret), jwt.MapClaims{
		"sub": "05e40000-0000-4000-8000-00000000000a", "aud": "authenticated", "role": "authenticated", "exp": time.Now().Add(time.Hour).Unix(),
	})
	again := d.clientWith(map[string]any{"token": session, "workspaceId": workspace}, conversation)
	d.live(1)
	again.sends(conversation, "opt_1")
	d.await("what became of it", func() bool { return len(d.Snapshot().Send.Results) > 0 })
	if got, n := d.Snapshot().Send.Results, len(function.Calls()); got["again"] != 1 || n != 1 {
		t.Errorf("told %v, and the function was called %d times", got, n)
	}
}

// TestAConversationInCapitals: the database knows a UUID in letters of either case, and so does
// whoever names one to the bridge.
func TestAConversationInCapitals(t *testing.T) {
	t.Parallel()
	d, c, function, _, conversation := startSending(t)
	capitals := strings.ToUpper(conversation)
	if err := c.Emit("unsubscribe:conversation", capitals); err != nil {
		t.Fatal(err)
	}
	if err := c.Emit("subscribe:conversation", capitals); err != nil {
		t.Fatal(err)
	}
	c.sends(capitals, "opt_1")
	function.Await(t, 1)
	if err := c.Emit("typing", map[string]any{"conversationId": capitals, "isTyping": true}); err != nil {
		t.Fatal(err)
	}
	function.Release()
	c.sent("opt_1")
	events := c.await("its row, its conversation and the notice", func(events []event) bool {
		return slices.ContainsFunc(events, func(e event) bool { return e.Name == "message" && e.Offset != "" }) &&
			slices.ContainsFunc(events, func(e event) bool { return e.Name == "conversation" && e.Offset == "" }) &&
			slices.ContainsFunc(events, func(e event) bool { return e.Name == "typing" })
	})
	for _, e := range events {
		if id, has := e.Payload["conversationId"]; has && id != conversation {
			t.Errorf("%s of the conversation %v", e.Name, id)
		}
	}
	c.sends(conversation, "opt_1")
	// The function's answer is counted when it has ended, its row may be told of before.
	d.await("what became of both", func() bool { got := d.Snapshot().Send.Results; return got["again"] > 0 && got["sent"] > 0 })
	if got := d.Snapshot().Send.Results; len(got) != 2 || got["sent"] != 1 {
		t.Errorf("told %v", got)
	}
}
