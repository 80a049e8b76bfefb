package bridge_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"net/url"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"chatbridge/bridge"
	"chatbridge/bridge/auth"
	"chatbridge/bridge/gateway"
	"chatbridge/bridge/ops"
	"chatbridge/configs"
	"chatbridge/internal/chatengine"
	"chatbridge/internal/schemas"
	"chatbridge/internal/throwaway/pgtest"
)

// fallback is a CRM that asks REST for what is new, as one does whose socket does not
// connect. Like the CRM it drops ids that it knows.
type fallback struct {
	base, token, conversation string
	since                     string
	shown                     []string // in the order of arrival
	status                    map[string]string
	by                        map[string]int // answers, by who gave them
}

// poll asks once, and takes over what is new.
func (f *fallback) poll(ctx context.Context) error {
	query := url.Values{"conversationId": {f.conversation}}
	if f.since != "" {
		query.Set("since", f.since)
	}
	list, err := f.ask(ctx, "/api/chat/messages?"+query.Encode())
	if err != nil {
		return err
	}
	for _, m := range list {
		id := m["id"].(string)
		if _, known := f.status[id]; !known {
			f.shown = append(f.shown, id)
		}
		f.status[id] = m["status"].(string)
		f.since = max(f.since, m["createdAt"].(string))
	}
	return nil
}

func (f *fallback) ask(ctx context.Context, target string) (list []map[string]any, err error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, f.base+target, nil)
	if err != nil {
		return nil, err
	}
	r.Header.Set("Authorization", "Bearer "+f.token)
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s: %s %s, %v", target, res.Status, body, err)
	}
	who := res.Header.Get("X-Served-By")
	if who == "" {
		who = "bridge"
	}
	f.by[who]++
	return list, json.Unmarshal(body, &list)
}

func newFallback(t *testing.T, base, conversation string) *fallback {
	t.Cleanup(http.DefaultClient.CloseIdleConnections)
	return &fallback{base: base, token: token(t, workspace), conversation: conversation, status: make(map[string]string), by: make(map[string]int)}
}

// TestRESTFallback: a CRM whose socket has gone asks REST for what came since, and shows
// in the end what the database has; what it is given is what the socket gives.
func TestRESTFallback(t *testing.T) {
	t.Parallel()
	dsn := pgtest.DB(t, schemas.CRM)
	conn, ids := crmDatabase(t, dsn, 2)
	d := startDaemon(t, dsn, "BRIDGE_REST_ENABLED=true")
	d.ready()
	w := &awayTest{t: t, conn: conn, ids: ids, dsn: dsn}
	c := d.client(ids[0])
	d.live(1)
	for i := range 3 {
		w.exec(insertMessage, workspace, ids[0], fmt.Sprintf("live %d", i))
	}
	w.exec(insertMessage, workspace, ids[1], "elsewhere")
	w.exec(insertMessage, "5a1e0000-0000-4000-8000-00000000000b", ids[0], "of another workspace")
	events := c.await("all", func(events []event) bool {
		return bodies(events)["live 2"] && slices.ContainsFunc(events, func(e event) bool {
			last, _ := e.Payload["lastMessage"].(map[string]any)
			return last["content"] == "elsewhere"
		})
	})
	c.leave()

	// What the socket gave is what REST gives.
	f := newFallback(t, d.url, ids[0])
	list, err := f.ask(t.Context(), "/api/chat/messages?conversationId="+ids[0])
	if err != nil || len(list) != 3 {
		t.Fatalf("%v, %v", list, err)
	}
	conversations, err := f.ask(t.Context(), "/api/chat/conversations")
	if err != nil || len(conversations) != 2 {
		t.Fatalf("%v, %v", conversations, err)
	}
	latest := map[string]map[string]any{}
	for _, e := range events {
		switch e.Name {
		case "message":
			if !slices.ContainsFunc(list, func(m map[string]any) bool { return reflect.DeepEqual(m, e.Payload) }) {
				t.Errorf("the socket gave %v, REST %v", e.Payload, list)
			}
			f.shown, f.status[e.Payload["id"].(string)] = append(f.shown, e.Payload["id"].(string)), e.Payload["status"].(string)
			f.since = max(f.since, e.Payload["createdAt"].(string))
		case "conversation":
			latest[e.Payload["id"].(string)] = e.Payload
		}
	}
	for _, got := range conversations {
		want := latest[got["id"].(string)]
		delete(got, "updatedAt") // the table's own is of a later UPDATE
		delete(want, "updatedAt")
		if !reflect.DeepEqual(got, want) {
			t.Errorf("the socket gave %v, REST %v", want, got)
		}
	}

	// While it is away: more than two answers' worth, many in one transaction.
	for i := range 70 {
		w.exec(insertMessage, workspace, ids[0], fmt.Sprintf("missed %d", i))
	}
	w.exec(`insert into messages (workspace_id, conversation_id, body) select $1, $2, 'at once ' || n from generate_series(1, 120) n`, workspace, ids[0])
	w.exec(insertMessage, workspace, ids[0], "last")
	for range 4 {
		if err := f.poll(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	f.wants(w)
}

// wants compares what is shown with what the database has.
func (f *fallback) wants(w *awayTest) {
	w.t.Helper()
	stored, status := w.stored(f.conversation)
	slices.Sort(stored)
	shown := slices.Sorted(slices.Values(f.shown))
	if !slices.Equal(shown, stored) {
		w.t.Errorf("shown are %d messages, the database has %d", len(shown), len(stored))
	}
	for id := range f.status {
		want := status[id]
		if want == "sending" { // the column's default
			want = "pending"
		}
		if got := f.status[id]; got != want {
			w.t.Errorf("%s is shown as %s, and is %s", id, got, want)
		}
	}
}

// TestRESTBesideTheRest: with rest.enabled the Socket.IO path, the probes and paths that
// are not ChatEngine's are what they were; without it nothing is answered.
func TestRESTBesideTheRest(t *testing.T) {
	t.Parallel()
	dsn := pgtest.DB(t, schemas.CRM)
	crmDatabase(t, dsn, 1)
	d := startDaemon(t, dsn, "BRIDGE_REST_ENABLED=true", "BRIDGE_CORS_ORIGINS=https://crm.example")
	d.ready()
	for target, want := range map[string]int{
		"/healthz": 200, "/readyz": 200, "/api/ws/?EIO=4&transport=polling": 200, "/api/ws?EIO=4&transport=polling&sid=x": 400,
		"/": 404, "/apis": 404, "//api/chat/conversations": 404, "/%61pi/chat/conversations": 404, "/x/../api/chat/conversations": 404,
		"/api": 503, "/api/": 503, "/api/wsx": 503, "/api/chat/../ws/?EIO=4&transport=polling": 503, "/api/webhooks/whatsapp": 503, "/api/chat/media": 503,
		"/api/chat/conversations": 401, "/api/chat/messages?conversationId=x": 401,
		"/api/chat/conversations/../../ws/?EIO=4&transport=polling": 503,
	} {
		status, body := d.raw("GET " + target + " HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
		if status != want {
			t.Errorf("%s: %d %s, want %d", target, status, body, want)
		}
	}
	for name, head := range map[string]string{
		"one long header": "X: " + strings.Repeat("x", 200_000) + "\r\n", "many headers": strings.Repeat("X: y\r\n", 30_000),
		"a long token": "Authorization: Bearer " + strings.Repeat("x", 200_000) + "\r\n",
	} {
		if status, _ := d.raw("GET /api/chat/conversations HTTP/1.1\r\nHost: x\r\n" + head + "\r\n"); status != http.StatusRequestHeaderFieldsTooLarge {
			t.Errorf("%s: %d", name, status)
		}
	}
	if status, _ := d.raw("GET /api/chat/messages?" + strings.Repeat("conversationId=x&", 10_000) + " HTTP/1.1\r\nHost: x\r\n\r\n"); status != http.StatusRequestHeaderFieldsTooLarge {
		t.Errorf("a long query: %d", status)
	}
	status := d.admin("/status")
	if !strings.Contains(status, `"rest": {`) || !strings.Contains(status, `"401": 1`) {
		t.Errorf("/status shows %s", status)
	}
	if metrics := d.admin("/metrics"); !strings.Contains(metrics, `bridge_rest_requests_total{code="503",route="other"}`) {
		t.Error("/metrics shows no requests")
	}

	off := startDaemon(t, pgtest.DB(t, schemas.CRM))
	off.ready()
	for _, target := range []string{"/api/chat/conversations", "/api/other"} {
		if status, body := off.get(target); status != http.StatusNotFound {
			t.Errorf("turned off, %s: %d %s", target, status, body)
		}
	}
}

// raw sends a request as it is written.
func (d *daemonTest) raw(request string) (status int, body string) {
	d.t.Helper()
	conn, err := net.Dial("tcp", d.Addr().String())
	if err != nil {
		d.t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(30 * time.Second)); err != nil {
		d.t.Fatal(err)
	}
	go func() { _, _ = io.WriteString(conn, request) }() // the server may answer before it has read it
	res, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		d.t.Fatalf("%.60s: %v", request, err)
	}
	defer res.Body.Close()
	text, _ := io.ReadAll(res.Body)
	return res.StatusCode, string(text)
}

// TestRESTInFrontOfChatEngine: a CRM that polls through the gateway gets all messages
// once, without one failed request, while ChatEngine is killed and comes back.
func TestRESTInFrontOfChatEngine(t *testing.T) {
	t.Parallel()
	dsn := pgtest.DB(t, schemas.CRM)
	conn, ids := crmDatabase(t, dsn, 1)
	engine := chatengine.New(t, chatengine.Options{DatabaseURL: dsn, Secret: secret})
	d := startDaemon(t, dsn, "BRIDGE_REST_ENABLED=true", "CHATENGINE_URL="+engine.URL().String(),
		"BRIDGE_GATEWAY_INTERVAL=50ms", "BRIDGE_GATEWAY_RECOVER_AFTER=300ms")
	d.ready()
	w := &awayTest{t: t, conn: conn, ids: ids, dsn: dsn}
	f := newFallback(t, d.url, ids[0])
	written := 0
	// A user may ask 100 times at once, and then 20 times a second: two requests in 50 ms
	// are allowed for five seconds, and the machine may be quick.
	pace := time.NewTicker(50 * time.Millisecond)
	defer pace.Stop()
	// step writes a message, and polls.
	step := func() {
		t.Helper()
		<-pace.C
		written++
		w.exec(insertMessage, workspace, ids[0], fmt.Sprint(written))
		if err := f.poll(t.Context()); err != nil {
			t.Fatal(err)
		}
		if _, err := f.ask(t.Context(), "/api/chat/conversations"); err != nil {
			t.Fatal(err)
		}
	}
	state := func(want gateway.State) func() bool {
		return func() bool { return d.Snapshot().Gateway.Status.State == want }
	}
	during := func(state func() bool) {
		t.Helper()
		deadline := time.Now().Add(30 * time.Second)
		for !state() {
			if step(); time.Now().After(deadline) {
				t.Fatalf("the state does not change: %+v", d.Snapshot().Gateway.Status)
			}
		}
		for range 5 {
			step()
		}
	}
	d.await("ChatEngine to be found healthy", func() bool { return d.Snapshot().Gateway.Status.Healthy })
	for range 5 {
		step()
	}
	if f.by["bridge"] != 0 {
		t.Errorf("answered by %v while ChatEngine was up", f.by)
	}
	engine.Kill()
	during(state(gateway.Local))
	if f.by["bridge"] < 10 {
		t.Errorf("answered by %v while ChatEngine was down", f.by)
	}
	if err := engine.Restore(t.Context()); err != nil {
		t.Fatal(err)
	}
	during(state(gateway.Upstream))
	before := maps.Clone(f.by)
	step()
	if f.by["bridge"] != before["bridge"] {
		t.Errorf("answered by %v since ChatEngine is back, before %v", f.by, before)
	}
	f.wants(w)
	if g := d.Snapshot().Gateway; g.RestServed == 0 {
		t.Errorf("counted %d served, %d rescued", g.RestServed, g.RestRescued)
	}
}

// TestRESTNeedsADatabase: without one the bridge says so and does not start; with
// lookup.url beside Realtime it does.
func TestRESTNeedsADatabase(t *testing.T) {
	t.Parallel()
	env := []string{
		"CHATENGINE_JWT_SECRET=" + secret, "BRIDGE_SOURCE_KIND=realtime", "SUPABASE_URL=http://127.0.0.1:1", "SUPABASE_SERVICE_ROLE_KEY=sb_secret_of_the_tests", "BRIDGE_REST_ENABLED=true",
	}
	_, err := configs.Load(configs.Sources{Complete: true, Env: env})
	var faults *configs.Error
	if !errors.As(err, &faults) || !strings.Contains(err.Error(), "rest.enabled") || !strings.Contains(err.Error(), "lookup.url") {
		t.Errorf("without a database: %v", err)
	}
	cfg, err := configs.Load(configs.Sources{Complete: true, Env: append(env, "BRIDGE_LOOKUP_URL=postgres://nobody@127.0.0.1:1/none")})
	if err != nil {
		t.Fatal(err)
	}
	d, err := bridge.New(cfg, bridge.Options{Build: ops.Build{Version: "test"}, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	d.Close()
}

// TestRESTSends: a POST goes the way of sendMessage: its message is stored, other clients
// are told of it, a GET has it under the id that the POST was answered with; and none is
// sent to a conversation of another workspace.
func TestRESTSends(t *testing.T) {
	t.Parallel()
	dsn := pgtest.DB(t, schemas.CRM, `create table public.chat_outbox (
		message_id uuid primary key, workspace_id uuid not null, conversation_id uuid not null, client_id text not null,
		user_id uuid, body text not null, created_at timestamptz not null default now(), done_at timestamptz, unique (workspace_id, client_id))`)
	conn, ids := crmDatabase(t, dsn, 1)
	d := startDaemon(t, dsn, "BRIDGE_REST_ENABLED=true", "BRIDGE_SEND_MODE=outbox", "BRIDGE_SEND_OUTBOX_URL="+dsn, "BRIDGE_SEND_STATE_FILE="+filepath.Join(t.TempDir(), "sends"))
	d.ready()
	c := d.client(ids[0])
	d.live(1)
	f := newFallback(t, d.url, ids[0])
	post := func(workspace string) (status int, m map[string]any) {
		t.Helper()
		token, err := auth.Sign(secret, workspace, ana, "", "", time.Now(), time.Hour)
		if err != nil {
			t.Fatal(err)
		}
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, d.url+"/api/chat/messages", strings.NewReader(`{"conversationId":"`+ids[0]+`","type":"text","content":"Bom dia"}`))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Authorization", "Bearer "+token)
		res, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		if err := json.NewDecoder(res.Body).Decode(&m); err != nil {
			t.Fatal(err)
		}
		return res.StatusCode, m
	}
	status, sent := post(workspace)
	if status != http.StatusCreated || sent["content"] != "Bom dia" || sent["status"] != "pending" || sent["senderId"] != ana || sent["workspaceId"] != workspace {
		t.Fatalf("%d %v", status, sent)
	}
	c.await("the message", func(events []event) bool {
		return slices.ContainsFunc(events, func(e event) bool { return e.Name == "message" && e.Payload["id"] == sent["id"] })
	})
	list, err := f.ask(t.Context(), "/api/chat/messages?conversationId="+ids[0])
	if err != nil || len(list) != 1 || list[0]["id"] != sent["id"] || !reflect.DeepEqual(list[0]["metadata"], sent["metadata"]) {
		t.Errorf("a GET has %v, %v; the POST was answered with %v", list, err, sent)
	}
	if status, m := post("5a1e0000-0000-4000-8000-00000000000b"); status != http.StatusNotFound || m["error"] != "Conversa não encontrada" {
		t.Errorf("to another workspace's conversation: %d %v", status, m)
	}
	var stored, out int
	if err := conn.QueryRow(t.Context(), "select (select count(*) from messages), (select count(*) from chat_outbox)").Scan(&stored, &out); err != nil || stored != 1 || out != 1 {
		t.Errorf("%d messages are stored, %d are to be sent, %v", stored, out, err)
	}
}
