package rest_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"chatbridge/bridge/rest"
	"chatbridge/internal/schemas"
)

// dial opens a connection, of which little is received in advance.
func (w *world) dial() *net.TCPConn {
	w.t.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(w.url, "http://"))
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { _ = conn.Close() })
	tcp := conn.(*net.TCPConn)
	if err := tcp.SetReadBuffer(4 << 10); err != nil {
		w.t.Fatal(err)
	}
	return tcp
}

// raw sends a request as it is written, and returns the answer.
func (w *world) raw(text string) *http.Response {
	w.t.Helper()
	conn := w.dial()
	if err := conn.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		w.t.Fatal(err)
	}
	if _, err := io.WriteString(conn, text); err != nil {
		w.t.Fatal(err)
	}
	res, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		w.t.Fatalf("%.80q: %v", text, err)
	}
	return res
}

// TestPaths: a path that is written otherwise is another path, and has no rows.
func TestPaths(t *testing.T) {
	t.Parallel()
	w := serve(t, "crm", nil, schemas.CRM, crm)
	mine := token(t, id("f1"), "user")
	for target, want := range map[string]int{
		"/api/chat/conversations":                                        200,
		"/api/chat/conversations?":                                       200,
		"/api/chat/conversations?limit=1&x=/api/chat/../messages":        200,
		"http://elsewhere/api/chat/conversations":                        200,
		"/api/chat/conversations/":                                       503,
		"/api/chat/conversations/" + id("c1"):                            503,
		"/api/chat//conversations":                                       503,
		"//api/chat/conversations":                                       503,
		"/api/chat/./conversations":                                      503,
		"/api/chat/../chat/conversations":                                503,
		"/api/chat/x/../conversations":                                   503,
		"/api/chat%2fconversations":                                      503,
		"/api/chat%2Fconversations":                                      503,
		"/%61pi/chat/conversations":                                      503,
		"/api/chat/%63onversations":                                      503,
		"/api/chat/conversations%00":                                     503,
		"/api/chat/conversations%3FworkspaceId=" + id("f2"):              503,
		"/api/chat/conversations;x=1":                                    503,
		"/api/chat/conversations.json":                                   503,
		"/API/chat/conversations":                                        503,
		"/api\\chat\\conversations":                                      503,
		"/api/chat/messages/" + id("b1") + "/context":                    503,
		"/api/chat/media?providerMessageId=WA1":                          503,
		"/api/chat/attachments":                                          503,
		"/api/webhooks/whatsapp":                                         503,
		"/api":                                                           503,
		"/api/chat/messages?conversationId=../../" + id("c9"):            200,
		"/api/chat/messages?" + strings.Repeat("x&", 10_000) + "c=1":     400,
		"/api/chat/messages?conversationId=" + strings.Repeat("9", 1000): 400,
	} {
		res := w.raw("GET " + target + " HTTP/1.1\r\nHost: x\r\nOrigin: " + page + "\r\nAuthorization: Bearer " + mine + "\r\nConnection: close\r\n\r\n")
		body, err := io.ReadAll(res.Body)
		if err != nil || res.StatusCode != want {
			t.Errorf("%.80s: %s %s, %v; want %d", target, res.Status, body, err, want)
		}
		if want == 200 {
			continue
		}
		if strings.Contains(string(body), id("f1")) || !strings.Contains(string(body), `"error":"`) || !strings.Contains(string(body), `"message":"`) || res.Header.Get("Access-Control-Allow-Origin") != page {
			t.Errorf("%.80s: %v %s", target, res.Header, body)
		}
		if want == 503 && res.Header.Get("Retry-After") == "" {
			t.Errorf("%.80s: no Retry-After", target)
		}
	}
	for _, method := range []string{"PUT", "DELETE", "PATCH", "TRACE", "PROPFIND", "get"} {
		if res := w.raw(method + " /api/chat/conversations HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer " + mine + "\r\nConnection: close\r\n\r\n"); res.StatusCode != 503 {
			t.Errorf("%s: %s", method, res.Status)
		}
	}
}

// TestPreflights: a browser asks first, without a token; a foreign page gets nothing.
func TestPreflights(t *testing.T) {
	t.Parallel()
	w := serve(t, "crm", nil, schemas.CRM, crm)
	for _, target := range []string{"/api/chat/conversations", "/api/chat/messages", "/api/chat/media", "/api"} {
		res, _ := w.ask(http.MethodOptions, target, "", "Origin", page, "Access-Control-Request-Method", "GET", "Access-Control-Request-Headers", "authorization,x-workspace-id")
		if res.StatusCode != http.StatusNoContent || res.Header.Get("Access-Control-Allow-Origin") != page ||
			!strings.Contains(res.Header.Get("Access-Control-Allow-Methods"), "GET") || res.Header.Get("Access-Control-Allow-Headers") != "authorization,x-workspace-id" {
			t.Errorf("%s: %s %v", target, res.Status, res.Header)
		}
		res, _ = w.ask(http.MethodOptions, target, "")
		if res.StatusCode != http.StatusNoContent || !strings.Contains(res.Header.Get("Allow"), "GET") {
			t.Errorf("%s, of a program: %s %v", target, res.Status, res.Header)
		}
	}
	res, body := w.get("/api/chat/conversations", token(t, id("f1"), "user"), "Origin", "https://evil.example")
	if res.StatusCode != http.StatusForbidden || res.Header.Get("Access-Control-Allow-Origin") != "" || strings.Contains(body, id("f1")) {
		t.Errorf("a foreign page: %s %v %s", res.Status, res.Header, body)
	}
}

// TestSlowBodies: the body of a request that reads is not waited for.
func TestSlowBodies(t *testing.T) {
	t.Parallel()
	w := serve(t, "crm", nil, schemas.CRM, crm)
	for name, head := range map[string]string{
		"announced": "Content-Length: 100000\r\n\r\nx",
		"chunked":   "Transfer-Encoding: chunked\r\n\r\n1\r\nx\r\n",
	} {
		for target, want := range map[string]int{"/api/chat/conversations": 200, "/api/chat/messages": 400, "/api/other": 503} {
			conn := w.dial()
			_, err := io.WriteString(conn, "GET "+target+" HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer "+token(t, id("f1"), "user")+"\r\n"+head)
			if err != nil {
				t.Fatal(err)
			}
			if err := conn.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
				t.Fatal(err)
			}
			all, err := io.ReadAll(conn) // until the server closes
			if err != nil || !strings.HasPrefix(string(all), fmt.Sprint("HTTP/1.1 ", want, " ")) {
				t.Errorf("%s, %s: %.200s, %v", name, target, all, err)
			}
		}
	}
}

// TestClientsThatTakeNothing: a client that does not read its answer is cut off, and its
// place is free again.
func TestClientsThatTakeNothing(t *testing.T) {
	t.Parallel()
	// Longer than a busy machine keeps the next client, which reads, from doing so.
	w := serve(t, "crm", func(o *rest.Options) { o.WriteTimeout = 2 * time.Second }, schemas.CRM, crm,
		`insert into messages (conversation_id, workspace_id, body, created_at)
			select u('c9'), u('f2'), repeat('x', 1000000), '2026-03-01'::timestamptz + n * interval '1 minute' from generate_series(1, 8) n`)
	conn := w.dial()
	if _, err := io.WriteString(conn, "GET /api/chat/messages?conversationId="+id("c9")+" HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer "+token(t, id("f2"), "user")+"\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	w.await(func(s rest.Stats) bool { return s.Cut == 1 && s.UnderWay == 0 })
	if res, body := w.get("/api/chat/messages?conversationId="+id("c9"), token(t, id("f2"), "user")); res.StatusCode != http.StatusOK || len(body) < 8_000_000 {
		t.Errorf("the next one: %s, %d bytes", res.Status, len(body))
	}
}

// TestShares: a user that asks too often is refused, and nobody else.
func TestShares(t *testing.T) {
	t.Parallel()
	w := serve(t, "crm", nil, schemas.CRM, crm)
	refused := 0
	for range 300 {
		switch res, _ := w.get("/api/chat/messages", token(t, id("f1"), "greedy")); res.StatusCode {
		case http.StatusTooManyRequests:
			refused++
		case http.StatusBadRequest: // it does not say which conversation
		default:
			t.Fatal(res.Status)
		}
		if refused > 0 {
			break
		}
	}
	if refused == 0 {
		t.Error("300 requests at once are all answered")
	}
	for _, other := range [][2]string{{"f1", "modest"}, {"f2", "greedy"}} {
		if res, _ := w.get("/api/chat/messages", token(t, id(other[0]), other[1])); res.StatusCode != http.StatusBadRequest {
			t.Errorf("%s of %s: %s", other[1], other[0], res.Status)
		}
	}
}
