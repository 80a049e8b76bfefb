package chatengine_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"chatbridge/internal/chatengine"
	"chatbridge/internal/schemas"
	"chatbridge/internal/sioclient"
	"chatbridge/internal/throwaway/pgtest"

	"github.com/golang-jwt/jwt/v5"
)

func TestMain(m *testing.M) { os.Exit(pgtest.Main(m)) }

const (
	workspace    = "00000000-0000-4000-9000-000000000001"
	stranger     = "00000000-0000-4000-9000-000000000002"
	user         = "00000000-0000-4000-b000-000000000001"
	contact      = "00000000-0000-4000-c000-000000000001"
	conversation = "00000000-0000-4000-a000-000000000001"
	phone        = "5511987654321"
)

const rows = `
insert into workspace_members (user_id, workspace_id, role) values ('` + user + `', '` + workspace + `', 'agent');
insert into contacts (id, workspace_id, name, phone) values ('` + contact + `', '` + workspace + `', 'Ana', '` + phone + `');
insert into conversations (id, contact_id, workspace_id, remote_jid) values ('` + conversation + `', '` + contact + `', '` + workspace + `', '` + phone + `@s.whatsapp.net');`

// heard is a client with what it was sent, a line each.
type heard struct {
	*sioclient.Client
	t     *testing.T
	lines chan string
}

// connect connects with the CONNECT payload auth.
func connect(t *testing.T, s *chatengine.Server, auth map[string]any) *heard {
	t.Helper()
	h := &heard{t: t, lines: make(chan string, 100)}
	var err error
	h.Client, err = sioclient.New(sioclient.Options{
		URL: s.URL().String(), Auth: auth,
		OnConnect:    func(sioclient.Session) { h.lines <- "connect" },
		OnDisconnect: func(_ error, retry time.Duration) { h.lines <- fmt.Sprintf("disconnect, again %v", retry >= 0) },
		OnEvent:      func(e sioclient.Event) { h.lines <- line(e) },
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = h.Run(ctx) // the lines tell
	}()
	t.Cleanup(func() {
		cancel()
		<-done
	})
	return h
}

// line is an event without times.
func line(e sioclient.Event) string {
	if len(e.Args) == 0 {
		return e.Name
	}
	var m map[string]any
	if err := json.Unmarshal(e.Args[0], &m); err != nil {
		return e.Name + " " + string(e.Args[0])
	}
	delete(m, "createdAt")
	delete(m, "updatedAt")
	delete(m, "timestamp")
	if last, ok := m["lastMessage"].(map[string]any); ok {
		delete(last, "createdAt")
	}
	text, _ := json.Marshal(m) // it was JSON
	return e.Name + " " + string(text)
}

// wants waits for the lines.
func (h *heard) wants(lines ...string) {
	h.t.Helper()
	for _, want := range lines {
		if got := h.next(); got != want {
			h.t.Fatalf("got  %s\nwant %s", got, want)
		}
	}
}

func (h *heard) next() string {
	h.t.Helper()
	select {
	case got := <-h.lines:
		return got
	case <-time.After(20 * time.Second):
		h.t.Fatal("nothing came")
		return ""
	}
}

func (h *heard) emit(name string, args ...any) {
	h.t.Helper()
	if err := h.Emit(name, args...); err != nil {
		h.t.Fatal(err)
	}
}

// silent checks that nothing else came before the answer to a ping.
func (h *heard) silent() {
	h.t.Helper()
	h.emit("ping")
	h.wants("pong {}")
}

func post(t *testing.T, s *chatengine.Server, path string, body map[string]any) {
	t.Helper()
	text, err := json.Marshal(body)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.Post(s.URL().String()+path, "application/json", bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusNoContent {
		t.Fatalf("%s: %s", path, resp.Status)
	}
	http.DefaultClient.CloseIdleConnections()
}

func token(t *testing.T, s *chatengine.Server, workspace, user string) map[string]any {
	t.Helper()
	text, err := s.Token(workspace, user)
	if err != nil {
		t.Fatal(err)
	}
	return map[string]any{"token": text}
}

// TestReal: what the real server was seen to do (contract, section 7), event by
// event.
func TestReal(t *testing.T) {
	s := chatengine.New(t, chatengine.Options{DatabaseURL: pgtest.DB(t, schemas.CRM, rows)})
	h := connect(t, s, token(t, s, workspace, user))
	h.wants("connect")
	h.emit("subscribe:conversation", conversation)
	h.silent()

	// From WhatsApp: its id is the message's; the row's key appears nowhere.
	post(t, s, "/messages", map[string]any{
		"externalId": "3EB01", "workspaceId": workspace, "conversationId": conversation, "senderId": phone, "content": "Olá", "status": "sent",
	})
	h.wants(
		`message {"content":"Olá","conversationId":"`+conversation+`","id":"3EB01","metadata":{"providerMessageId":"3EB01"},"senderId":"`+phone+`","status":"delivered","type":"text","workspaceId":"`+workspace+`"}`,
		`conversation {"channel":"whatsapp","contactId":"`+contact+`","id":"`+conversation+`","lastMessage":{"content":"Olá","id":"3EB01","senderId":"`+phone+`"},"participants":[],"workspaceId":"`+workspace+`"}`,
	)
	post(t, s, "/statuses", map[string]any{"messageId": "3EB01", "conversationId": conversation, "status": "read"})
	h.wants(`messageStatus {"conversationId":"` + conversation + `","messageId":"3EB01","status":"read"}`)

	// From the phone: the contact is the sender.
	post(t, s, "/messages", map[string]any{
		"externalId": "3EB02", "workspaceId": workspace, "conversationId": conversation, "content": "Oi", "fromMe": true,
	})
	if got := h.next(); !strings.Contains(got, `"senderId":"`+phone+`"`) {
		t.Fatal(got)
	}
	h.next()

	// From the client: what is hoped for at once, then what became of it. No
	// acknowledgement.
	send := map[string]any{"type": "sendMessage", "conversationId": conversation, "content": "Bom dia", "messageId": "opt_1"}
	h.emit("sendMessage", send)
	h.wants(
		`message {"content":"Bom dia","conversationId":"`+conversation+`","id":"opt_1","metadata":{"clientMessageId":"opt_1"},"senderId":"`+user+`","status":"pending","type":"text","workspaceId":"`+workspace+`"}`,
		`conversation {"channel":"whatsapp","contactId":"`+contact+`","id":"`+conversation+`","lastMessage":{"content":"Bom dia","id":"opt_1","senderId":"`+user+`"},"participants":[],"workspaceId":"`+workspace+`"}`,
	)
	if got := h.next(); !strings.HasPrefix(got, `messageSent {"conversationId":"`+conversation+`","externalId":"3EB0`) {
		t.Fatal(got)
	}
	h.wants(`messageStatus {"conversationId":"` + conversation + `","messageId":"opt_1","status":"sent"}`)
	post(t, s, "/connection", map[string]any{"connected": false})
	h.wants(`connectionUpdate {"status":"disconnected"}`)
	send["messageId"] = "opt_2"
	h.emit("sendMessage", send)
	h.next()
	h.next()
	h.wants(
		`error {"message":"WhatsApp is not connected","type":"sendMessage"}`,
		`messageStatus {"conversationId":"`+conversation+`","messageId":"opt_2","status":"failed"}`,
	)
	h.emit("markAsRead", map[string]any{"type": "markAsRead", "conversationId": conversation})
	h.wants(`markedAsRead {"conversationId":"` + conversation + `"}`)

	h.emit("typing", map[string]any{"conversationId": conversation, "isTyping": true})
	h.wants(`typing {"conversationId":"` + conversation + `","isTyping":true,"userId":"` + user + `"}`)
	h.emit("typing", map[string]any{"conversationId": stranger, "isTyping": true})
	h.emit("typing")
	h.emit("markAsRead")
	h.emit("nothing of the kind", 1)
	h.silent()
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	if answer, err := h.EmitAck(ctx, "subscribe:conversation", conversation); err == nil {
		t.Fatalf("acknowledged: %s", answer)
	}
	h.emit("sendMessage")
	h.wants("disconnect, again true")
}

// TestRealRefuses: whoever is not admitted is connected, then disconnected.
func TestRealRefuses(t *testing.T) {
	s := chatengine.New(t, chatengine.Options{DatabaseURL: pgtest.DB(t, schemas.CRM, rows)})
	// It carries no workspace, as a session's does.
	text, err := jwt.NewWithClaims(jwt.SigningMethodHS256, jwt.MapClaims{"sub": user}).SignedString([]byte("chatengine-secret"))
	if err != nil {
		t.Fatal(err)
	}
	session := map[string]any{"token": text}
	for name, auth := range map[string]map[string]any{
		"no token":     {},
		"bad token":    {"token": "x"},
		"no workspace": session,
		"no member":    token(t, s, stranger, user),
	} {
		t.Run(name, func(t *testing.T) {
			connect(t, s, auth).wants("connect", "disconnect, again false")
		})
	}
	connect(t, s, map[string]any{"token": session["token"], "workspaceId": workspace}).wants("connect")
}
