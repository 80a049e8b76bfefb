package rest_test

import (
	"cmp"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"chatbridge/bridge/rest"
	"chatbridge/bridge/send"
	"chatbridge/internal/schemas"
)

// TestSendRefused: while nothing can be sent, a text is refused in a way that a CRM shows
// as failed.
func TestSendRefused(t *testing.T) {
	t.Parallel()
	w := serve(t, "crm", nil, schemas.CRM, crm)
	res, body := w.ask(http.MethodPost, "/api/chat/messages", `{"conversationId":"`+id("c1")+`","content":"Oi","replyToId":"`+id("b1")+`"}`,
		"Authorization", "Bearer "+token(t, id("f1"), "user"), "Origin", page)
	if res.StatusCode != http.StatusServiceUnavailable || !strings.Contains(body, `"reason":"unavailable"`) || !strings.Contains(body, `"error":"`) ||
		res.Header.Get("Retry-After") == "" || res.Header.Get("Access-Control-Allow-Origin") != page {
		t.Errorf("%s %v %s", res.Status, res.Header, body)
	}
}

// TestSend: a text goes to the Sender as the token's user's, and its result is answered
// as ChatEngine answers.
func TestSend(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 1, 2, 3, 4, 5, 6_000_000, time.UTC)
	results := map[string]send.Result{
		"sent":   {ID: "opt_1", Status: send.Sent, RowID: "row", ExternalID: "WA9", CreatedAt: at},
		"stored": {ID: "opt_2", Status: send.Pending, RowID: "row", CreatedAt: at},
		"late":   {ID: "opt_3", Status: send.Pending, CreatedAt: at},
	}
	faults := map[string]int{
		send.CodeBadRequest: 400, send.CodeConversation: 404, send.CodeRate: 429, send.CodeSession: 403, send.CodeExpired: 401,
		send.CodeReused: 409, send.CodeFailed: 502, send.CodeUnknown: 504, send.CodeUnavailable: 503, "of another version": 503,
	}
	var got send.Request
	w := serve(t, "crm", func(o *rest.Options) {
		o.Sender = senderFunc(func(r send.Request) (send.Result, error) {
			got = r
			if _, ok := faults[r.Content]; ok {
				return send.Result{Status: send.Failed}, &send.Fault{Code: r.Content, Message: "a sentence"}
			}
			if r.Content == "late" {
				return results[r.Content], context.DeadlineExceeded
			}
			return results[r.Content], nil
		})
	}, schemas.CRM, crm)
	mine := session(t, id("d1"), time.Now().Add(time.Hour))
	post := func(body string) (*http.Response, string) {
		return w.ask(http.MethodPost, "/api/chat/messages", body, "Authorization", "Bearer "+mine, "X-Workspace-Id", id("f1"), "Content-Type", "application/json")
	}
	text := func(content, more string) string {
		return `{"conversationId":"` + id("c1") + `","type":"text","content":"` + content + `"` + more + `}`
	}
	for content, want := range map[string]string{
		"sent":   `{"id":"row","workspaceId":"` + id("f1") + `","conversationId":"` + id("c1") + `","senderId":"` + id("d1") + `","type":"text","content":"sent","replyToMessageId":"r","status":"sent","metadata":{"clientMessageId":"opt_1","providerMessageId":"WA9"},"createdAt":"2026-01-02T03:04:05.006Z"}`,
		"stored": `{"id":"row","workspaceId":"` + id("f1") + `","conversationId":"` + id("c1") + `","senderId":"` + id("d1") + `","type":"text","content":"stored","replyToMessageId":"r","status":"pending","metadata":{"clientMessageId":"opt_2"},"createdAt":"2026-01-02T03:04:05.006Z"}`,
		"late":   `{"id":"opt_3","workspaceId":"` + id("f1") + `","conversationId":"` + id("c1") + `","senderId":"` + id("d1") + `","type":"text","content":"late","replyToMessageId":"r","status":"pending","metadata":{"clientMessageId":"opt_3"},"createdAt":"2026-01-02T03:04:05.006Z"}`,
	} {
		as := map[string]string{"stored": "messageId"}[content] // as a socket names it
		res, body := post(text(content, `,"replyToId":"r","`+cmp.Or(as, "clientMessageId")+`":"mine","workspaceId":"`+id("f2")+`"`))
		if res.StatusCode != http.StatusCreated || body != want {
			t.Errorf("%s: %s\n%s\nwant\n%s", content, res.Status, body, want)
		}
		if got.Workspace != id("f1") || got.User != id("d1") || got.Session.Token != mine || got.ID != "mine" || got.Conversation != id("c1") || got.Content != content || got.ReplyTo != "r" || got.Emit != nil {
			t.Errorf("asked to send %+v", got)
		}
	}
	for code, status := range faults {
		res, body := post(text(code, ""))
		var answer struct{ Error, Message, Reason string }
		if err := json.Unmarshal([]byte(body), &answer); err != nil || res.StatusCode != status || (answer.Message != "a sentence") != (code == send.CodeExpired) || answer.Reason != code || answer.Error == "" {
			t.Errorf("%s: %s %s, want %d", code, res.Status, body, status)
		}
	}
	got = send.Request{}
	for body, status := range map[string]int{
		"": 400, "{": 400, "[]": 400, `"text"`: 400, "{}": 400, `{"conversationId":"x"}`: 400, `{"content":"x"}`: 400, `{"conversationId":1,"content":"x"}`: 400,
		text("x", `,"type":"image"`): 503, text("x", `,"attachments":[{}]`): 503, text("x", `,"attachmentId":"a"`): 503, text("x", `,"replyToId":"`+strings.Repeat("x", 513)+`"`): 400,
		text(strings.Repeat("x", 300_000), ""): 413,
	} {
		if res, answer := post(body); res.StatusCode != status || !strings.Contains(answer, `"error":"`) {
			t.Errorf("%.80s: %s %s, want %d", body, res.Status, answer, status)
		}
	}
	if got.Content != "" {
		t.Errorf("asked to send %+v", got)
	}
	if res, _ := w.ask(http.MethodPost, "/api/chat/messages", text("sent", "")); res.StatusCode != http.StatusUnauthorized || got.Content != "" {
		t.Errorf("without a token: %s, %+v", res.Status, got)
	}
}

// TestSendSlowBody: a body that does not come is not waited for, or for WriteTimeout.
func TestSendSlowBody(t *testing.T) {
	t.Parallel()
	w := serve(t, "crm", func(o *rest.Options) { o.WriteTimeout = 200 * time.Millisecond }, schemas.CRM, crm)
	for name, tt := range map[string]struct{ header, status string }{
		"no token": {"", "401"},
		"a token":  {"Authorization: Bearer " + token(t, id("f1"), "user") + "\r\n", "400"},
	} {
		conn := w.dial()
		if _, err := io.WriteString(conn, "POST /api/chat/messages HTTP/1.1\r\nHost: x\r\n"+tt.header+"Content-Length: 100000\r\n\r\n[[[,"); err != nil {
			t.Fatal(err)
		}
		if err := conn.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
			t.Fatal(err)
		}
		if all, err := io.ReadAll(conn); err != nil || !strings.HasPrefix(string(all), "HTTP/1.1 "+tt.status) {
			t.Errorf("%s: %.200s, %v", name, all, err)
		}
	}
}
