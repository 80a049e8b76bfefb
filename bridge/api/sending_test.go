package api_test

import (
	"context"
	"encoding/json"
	"log/slog"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"chatbridge/bridge/api"
	"chatbridge/bridge/hub"
	"chatbridge/bridge/send"
	"chatbridge/internal/functiondouble"
	"chatbridge/socketio"
)

// startRefusing is a Server that sends nothing, a client of it and a colleague.
func startRefusing(t *testing.T) (ana, bob *person) {
	t.Helper()
	opts := api.Options{SocketIO: socketio.DefaultOptions(), Hub: hub.DefaultOptions(), ExpiryGrace: -1, Logger: slog.New(slog.DiscardHandler)}
	opts.SocketIO.Path = "/api/ws"
	server, url := serve(t, opts, named{})
	url = "ws" + strings.TrimPrefix(url, "http")
	ana, bob = join(t, url, "w1/ana/1h", ""), join(t, url, "w1/bob/1h", "")
	bob.say(`421["subscribe:conversation","c1"]`)
	bob.until("431")
	awaitLive(t, server)
	return ana, bob
}

// TestARefusedTextStandsThere: the sender gets its text as ChatEngine would have sent
// it, then that it has failed; nobody else gets anything.
func TestARefusedTextStandsThere(t *testing.T) {
	t.Parallel()
	ana, bob := startRefusing(t)
	ana.say(`421["sendMessage",{"type":"sendMessage","conversationId":"c1","content":"Olá \"você\"","messageId":"opt_1","replyToMessageId":"m0","timestamp":1}]`)
	packet := ana.next()
	text, ok := strings.CutPrefix(packet, `42["message",`)
	var m map[string]any
	if !ok || json.Unmarshal([]byte(strings.TrimSuffix(text, "]")), &m) != nil {
		t.Fatalf("the text came as %s", packet)
	}
	created, err := time.Parse("2006-01-02T15:04:05.000Z", m["createdAt"].(string))
	if err != nil || time.Since(created).Abs() > time.Hour {
		t.Errorf("it was created at %v", m["createdAt"])
	}
	delete(m, "createdAt")
	got, err := json.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	const want = `{"content":"Olá \"você\"","conversationId":"c1","id":"opt_1","metadata":{"clientMessageId":"opt_1"},"replyToMessageId":"m0","senderId":"ana","status":"pending","type":"text","workspaceId":"w1"}`
	if string(got) != want {
		t.Errorf("the text came as\n%s, want\n%s", got, want)
	}
	for _, want := range []string{
		`42["error",{"type":"sendMessage","code":"unavailable","message":"messages cannot be sent while the chat server is down"}]`,
		`42["messageStatus",{"messageId":"opt_1","status":"failed","conversationId":"c1"}]`,
		`431[{"ok":false,"error":{"code":"unavailable","message":"messages cannot be sent while the chat server is down"}}]`,
	} {
		if got := ana.next(); got != want {
			t.Errorf("then came %s, want %s", got, want)
		}
	}
	bob.say(`422["ping"]`)
	if got := bob.next(); !strings.HasPrefix(got, `42["pong"`) {
		t.Errorf("a colleague got %s", got)
	}
}

// TestARefusedTextWithoutAnIDGetsOne: the same in its message and its status.
func TestARefusedTextWithoutAnIDGetsOne(t *testing.T) {
	t.Parallel()
	ana, _ := startRefusing(t)
	ids := regexp.MustCompile(`opt_[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}`)
	seen := make(map[string]bool)
	for range 2 {
		ana.say(`42["sendMessage",{"conversationId":"c1","content":"Oi"}]`)
		in := ids.FindAllString(ana.until(`42["message"`), -1)
		if len(in) != 2 || in[0] != in[1] || seen[in[0]] {
			t.Fatalf("the ids of the text are %q", in)
		}
		seen[in[0]] = true
		if got := ana.until(`42["messageStatus"`); !strings.Contains(got, in[0]) || !strings.Contains(got, `"failed"`) {
			t.Errorf("its status is %s", got)
		}
	}
}

// TestMalformedTextsAreAnswered, by an error alone: there is nothing to show.
func TestMalformedTextsAreAnswered(t *testing.T) {
	t.Parallel()
	ana, _ := startRefusing(t)
	long := strings.Repeat("x", 129)
	for _, args := range []string{
		``, `,null`, `,7`, `,{"content":"x"}`, `,{"conversationId":7,"content":"x"}`, `,{"conversationId":"c","content":{}}`,
		`,{"conversationId":"` + long + `","content":"x"}`, `,{"conversationId":"c","content":"x","messageId":"` + long + `"}`,
	} {
		ana.say(`421["sendMessage"` + args + `]`)
		if got := ana.next(); !strings.HasPrefix(got, `42["error",{"type":"sendMessage","code":"bad_request"`) {
			t.Errorf("sendMessage%s was answered %s", args, got)
		}
		if got := ana.next(); !strings.HasPrefix(got, `431[{"ok":false,"error":{"code":"bad_request"`) {
			t.Errorf("sendMessage%s was acknowledged %s", args, got)
		}
	}
}

// conversationsOf are those that begin with the workspace's name; there is no event of any.
type conversationsOf struct{ ownConversations }

func (*conversationsOf) Payload(context.Context, string, string) []byte { return nil }

// startSending is a Server that sends by a function, for clients with sessions.
func startSending(t *testing.T, choose func(functiondouble.Call) functiondouble.Way, change func(*api.Options)) (server *api.Server, url string, function *functiondouble.Server) {
	t.Helper()
	function = functiondouble.Start(t, functiondouble.Options{Choose: choose})
	body, err := send.ParseFields([]string{"conversationId=conversation", "message=content", "clientMessageId=client_id"})
	if err != nil {
		t.Fatal(err)
	}
	way, err := send.NewFunction(send.FunctionOptions{
		URL: send.FunctionURL(function.URL, "whatsapp-send"), ReadURL: send.FunctionURL(function.URL, "mark-read"), AnonKey: func() string { return "anon" }, Body: body,
	})
	if err != nil {
		t.Fatal(err)
	}
	sender := send.New(send.Options{
		Way: way, Read: way, File: filepath.Join(t.TempDir(), "sends"), Conversations: new(conversationsOf), Timeout: 20 * time.Second,
		Emit: func(ev send.Event) { server.Tell(ev) },
	})
	if err := sender.Open(); err != nil {
		t.Fatal(err)
	}
	opts := api.Options{
		SocketIO: socketio.DefaultOptions(), Hub: hub.DefaultOptions(), ExpiryGrace: -1, Logger: slog.New(slog.DiscardHandler), Sender: sender,
	}
	opts.SocketIO.Path = "/api/ws"
	if change != nil {
		change(&opts)
	}
	server, url = serve(t, opts, sessions{})
	ctx, stop := context.WithCancel(context.WithoutCancel(t.Context()))
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = sender.Run(ctx)
	}()
	t.Cleanup(func() { stop(); <-ended }) // before the Server, which waits for what is on its way
	return server, "ws" + strings.TrimPrefix(url, "http"), function
}

// TestTextsAreSentWithTheSocketsSession: the one that it was let in with, and the newest
// that it has sent; one that has expired, or is none of the project's, is refused.
func TestTextsAreSentWithTheSocketsSession(t *testing.T) {
	t.Parallel()
	_, url, function := startSending(t, nil, nil)
	const text = `421["sendMessage",{"conversationId":"w1-a","content":"Oi","messageId":"opt_%s"}]`
	ana := join(t, url, "w1/ana/-1s", "") // within the leeway
	say := func(p *person, id, want string) {
		t.Helper()
		p.say(strings.Replace(text, "%s", id, 1))
		if got := p.until("431["); !strings.HasPrefix(got, want) {
			t.Errorf("opt_%s was acknowledged %s, want %s", id, got, want)
		}
	}
	say(ana, "1", `431[{"ok":false,"error":{"code":"token_expired"`)
	ana.say(`422["auth",{"token":"w1/ana/1h"}]`)
	ana.until("432")
	say(ana, "1", `431[{"ok":true}]`)
	ana.say(`422["auth",{"token":"w1/bob/1h"}]`) // another user's: not taken
	ana.until("432")
	say(ana, "2", `431[{"ok":true}]`)
	say(join(t, url, "w1/machine/1h", ""), "3", `431[{"ok":false,"error":{"code":"session_needed"`)
	for _, c := range function.Calls() {
		if c.Authorization != "Bearer w1/ana/1h" {
			t.Errorf("called with %s", c.Authorization)
		}
	}
	if n := len(function.Calls()); n != 2 {
		t.Errorf("%d calls, want 2", n)
	}
}

// TestTheWorkspaceSeesWhatIsSent: those that see the conversation, and nobody else; the
// sender also while it has yet to be caught up.
func TestTheWorkspaceSeesWhatIsSent(t *testing.T) {
	t.Parallel()
	server, url, _ := startSending(t, nil, nil)
	bob, eve, carl := join(t, url, "w1/bob/1h", ""), join(t, url, "w1/eve/1h", ""), join(t, url, "w2/carl/1h", "")
	bob.say(`421["subscribe:conversation","w1-a"]`)
	bob.until("431")
	eve.say(`421["subscribe:conversation","w1-b"]`)
	eve.until("431")
	awaitLive(t, server)
	ana := join(t, url, "w1/ana/1h", "") // and no subscription: for 300 ms broadcasts pass it over
	ana.say(`421["sendMessage",{"conversationId":"w1-a","content":"Oi","messageId":"opt_1"}]`)
	for _, want := range []string{`42["message",{"id":"opt_1"`, `42["messageSent",{"messageId":"opt_1"`, `42["messageStatus",{"messageId":"opt_1","status":"sent"`, `431[{"ok":true}]`} {
		if got := ana.next(); !strings.HasPrefix(got, want) {
			t.Errorf("the sender got %s, want %s", got, want)
		}
	}
	for _, want := range []string{`42["message",{"id":"opt_1","workspaceId":"w1","conversationId":"w1-a","senderId":"ana"`, `42["messageStatus",{"messageId":"opt_1","status":"sent","conversationId":"w1-a"}]`} {
		if got := bob.next(); !strings.HasPrefix(got, want) {
			t.Errorf("a colleague got %s, want %s", got, want)
		}
	}
	if got := eve.next(); !strings.HasPrefix(got, `42["messageStatus"`) {
		t.Errorf("who sees another conversation got %s", got)
	}
	carl.say(`422["ping"]`)
	if got := carl.next(); !strings.HasPrefix(got, `42["pong"`) {
		t.Errorf("another workspace got %s", got)
	}
}

// TestASocketGoesOnWhileItsTextIsSent, and who connects later is told what failed.
func TestASocketGoesOnWhileItsTextIsSent(t *testing.T) {
	t.Parallel()
	_, url, function := startSending(t, func(c functiondouble.Call) functiondouble.Way {
		if c.Body["message"] == "refused" {
			return functiondouble.Refuses
		}
		return functiondouble.Waits
	}, nil)
	ana := join(t, url, "w1/ana/1h", "")
	ana.say(`421["sendMessage",{"conversationId":"w1-a","content":"Oi","messageId":"opt_1"}]`)
	function.Await(t, 1)
	ana.alive()
	function.Release()
	ana.until(`431[{"ok":true}]`)
	ana.say(`421["sendMessage",{"conversationId":"w1-a","content":"refused","messageId":"opt_2"}]`)
	ana.until(`431[{"ok":false,"error":{"code":"not_sent","message":"the number is not connected"}}]`)
	if got := join(t, url, "w1/ana/1h", "").next(); got != `42["messageStatus",{"messageId":"opt_2","status":"failed","conversationId":"w1-a"}]` {
		t.Errorf("who connects later got %s", got)
	}
	carl := join(t, url, "w2/carl/1h", "")
	carl.say(`422["ping"]`)
	if got := carl.next(); !strings.HasPrefix(got, `42["pong"`) {
		t.Errorf("who connects to another workspace got %s", got)
	}
}

// TestMarkAsRead by a function, of the workspace's own conversations; refused without.
func TestMarkAsRead(t *testing.T) {
	t.Parallel()
	_, url, function := startSending(t, nil, nil)
	ana := join(t, url, "w1/ana/1h", "")
	for conversation, want := range map[string][]string{
		"w1-a": {`42["markedAsRead",{"conversationId":"w1-a"}]`, `431[{"ok":true}]`},
		"w2-a": {`42["error",{"type":"markAsRead","code":"unknown_conversation"`, `431[{"ok":false`},
	} {
		ana.say(`421["markAsRead",{"type":"markAsRead","conversationId":"` + conversation + `"}]`)
		for _, want := range want {
			if got := ana.next(); !strings.HasPrefix(got, want) {
				t.Errorf("%s: got %s, want %s", conversation, got, want)
			}
		}
	}
	if calls := function.Calls(); len(calls) != 1 || calls[0].Path != "/functions/v1/mark-read" || calls[0].Body["conversationId"] != "w1-a" || calls[0].Authorization != "Bearer w1/ana/1h" {
		t.Errorf("called with %+v", calls)
	}
	refused, _ := startRefusing(t)
	refused.say(`421["markAsRead",{"type":"markAsRead","conversationId":"w1-a"}]`)
	for _, want := range []string{`42["error",{"type":"markAsRead","code":"unavailable"`, `431[{"ok":false`} {
		if got := refused.next(); !strings.HasPrefix(got, want) {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}
