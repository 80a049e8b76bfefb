package api_test

import (
	"encoding/json"
	"log/slog"
	"regexp"
	"strings"
	"testing"
	"time"

	"chatbridge/bridge/api"
	"chatbridge/bridge/hub"
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
