package bridge_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	programs "os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/gorilla/websocket"
	"github.com/jackc/pgx/v5"

	"chatbridge/bridge/auth"
	"chatbridge/bridge/gateway"
	"chatbridge/bridge/hub"
	"chatbridge/bridge/ops"
	"chatbridge/configs"
	"chatbridge/internal/ports"
	"chatbridge/internal/realtimedouble"
	"chatbridge/internal/schemas"
	"chatbridge/internal/selfsigned"
	"chatbridge/internal/throwaway"
	"chatbridge/internal/throwaway/pgtest"
	"chatbridge/mapping/contract"
	"chatbridge/socketio"
	"chatbridge/source"
	"chatbridge/source/realtime"
)

// knock opens a session by polling, as a client does that has a token, and returns the
// answer to its CONNECT packet, or to the handshake where that is refused.
func knock(t *testing.T, d *daemonTest, origin, token, workspace string) string {
	t.Helper()
	address := d.url + "/api/ws/?EIO=4&transport=polling"
	ask := func(method, address, body string) string {
		t.Helper()
		r, err := http.NewRequestWithContext(t.Context(), method, address, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		if origin != "" {
			r.Header.Set("Origin", origin)
		}
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		text, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	open := ask(http.MethodGet, address, "")
	_, rest, ok := strings.Cut(open, `"sid":"`)
	if !ok {
		return open
	}
	sid, _, _ := strings.Cut(rest, `"`)
	address += "&sid=" + sid
	ask(http.MethodPost, address, fmt.Sprintf(`40{"token":%q,"workspaceId":%q}`, token, workspace))
	return ask(http.MethodGet, address, "")
}

// clientAlerts: what comes from clients, and their tokens.
func clientAlerts(s *alertScene) {
	t := s.t
	dsn := pgtest.DB(t, schemas.CRM)
	conn, _ := crmDatabase(t, dsn, 1)
	const supabase = "the project's secret of 32 bytes and more"
	const operator = "the-operators-token"
	d := startDaemon(t, dsn, "BRIDGE_ADMIN_TOKEN="+operator, "SUPABASE_JWT_SECRET="+supabase, "BRIDGE_CORS_ORIGINS=https://crm.example", "BRIDGE_LIMITS_CONNECTIONS=20", "BRIDGE_LIMITS_CONNECTIONS_PER_ADDRESS=20")
	d.ready()
	d.client()
	d.live(1)
	scrape := func() scraped { return s.scrapeAt("http://prometheus:" + operator + "@" + d.AdminAddr().String()) }
	s.wellAs(scrape())

	for range 25 {
		if code, _ := d.getAdmin("/status", "an-old-token"); code != http.StatusUnauthorized && code != http.StatusTooManyRequests {
			t.Fatalf("a wrong token of the operator's is answered %d", code)
		}
	}
	s.fires("BridgeAdminTokensRefused", course{}, scrape())

	foreign, err := auth.Sign("another secret, which nobody here knows", workspace, "user", "", "", time.Now(), time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	for range 6 {
		if answer := knock(t, d, "", foreign, ""); !strings.Contains(answer, "token_signature") {
			t.Fatalf("a token of another secret is answered %s", answer)
		}
	}
	s.fires("BridgeTokensRefused", course{}, scrape())

	knock(t, d, "https://other.example", "", "")
	s.fires("BridgeOriginRefused", course{}, scrape())

	if _, err := conn.Exec(t.Context(), "alter table workspace_members rename to members_moved"); err != nil {
		t.Fatal(err)
	}
	session, err := jwt.NewWithClaims(jwt.SigningMethodHS256, jwt.MapClaims{
		"sub": "aaaaaaaa-0000-4000-8000-0000000000aa", "aud": "authenticated", "role": "authenticated", "exp": time.Now().Add(time.Hour).Unix(),
	}).SignedString([]byte(supabase))
	if err != nil {
		t.Fatal(err)
	}
	knock(t, d, "", session, workspace)
	d.await("a token that cannot be judged", func() bool { return d.Snapshot().API.TokensRefused["unavailable"] > 0 })
	s.fires("BridgeTokensUnjudged", course{}, scrape())

	for range 25 {
		knock(t, d, "", token(t, workspace), "")
	}
	s.fires("BridgeLimitReached", course{}, scrape())
}

// standIn is a ChatEngine that answers the probe, and what else is asked with a status.
type standIn struct {
	t      *testing.T
	addr   string
	status atomic.Int32

	mu     sync.Mutex
	server *http.Server
	served sync.WaitGroup
}

func newStandIn(t *testing.T) *standIn {
	t.Helper()
	addr, err := ports.Free()
	if err != nil {
		t.Fatal(err)
	}
	e := &standIn{t: t, addr: addr}
	e.status.Store(http.StatusOK)
	e.come()
	t.Cleanup(e.leave)
	return e
}

func (e *standIn) come() {
	e.t.Helper()
	ln, err := net.Listen("tcp", e.addr)
	if err != nil {
		e.t.Fatal(err)
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	server := &http.Server{Handler: e}
	e.server = server
	e.served.Go(func() { _ = server.Serve(ln) })
}

// leave cuts every connection.
func (e *standIn) leave() {
	e.mu.Lock()
	server := e.server
	e.server = nil
	e.mu.Unlock()
	if server != nil {
		_ = server.Close()
		e.served.Wait()
	}
}

func (e *standIn) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Query().Get("transport") == "websocket" {
		e.session(w, r)
		return
	}
	if strings.HasPrefix(r.URL.Path, "/api/ws") { // the probe
		w.WriteHeader(http.StatusBadRequest)
		_, _ = io.WriteString(w, `{"code":1,"message":"Session ID unknown"}`)
		return
	}
	w.WriteHeader(int(e.status.Load()))
}

// session opens one, and says nothing more in it.
func (e *standIn) session(w http.ResponseWriter, r *http.Request) {
	c, err := new(websocket.Upgrader).Upgrade(w, r, nil)
	if err != nil {
		return
	}
	defer c.Close()
	_ = c.WriteMessage(websocket.TextMessage, []byte(`0{"sid":"s","upgrades":[],"pingInterval":25000,"pingTimeout":20000,"maxPayload":1000000}`))
	for err == nil {
		var packet []byte
		if _, packet, err = c.ReadMessage(); strings.HasPrefix(string(packet), "40") {
			_ = c.WriteMessage(websocket.TextMessage, []byte(`40{"sid":"t"}`))
		}
	}
}

func (s *alertScene) inFront(e *standIn, env ...string) *daemonTest {
	s.t.Helper()
	d := startDaemon(s.t, pgtest.DB(s.t, schemas.CRM), append([]string{
		"CHATENGINE_URL=http://" + e.addr, "BRIDGE_GATEWAY_INTERVAL=50ms", "BRIDGE_GATEWAY_RECOVER_AFTER=100ms",
	}, env...)...)
	d.ready()
	d.gateway(gateway.Upstream)
	return d
}

func (d *daemonTest) gateway(want gateway.State) {
	d.t.Helper()
	d.await("the gateway to be "+want.String(), func() bool { return d.Snapshot().Gateway.Status.State == want })
}

// gatewayAlerts: ChatEngine, and who watches over it.
func gatewayAlerts(s *alertScene) {
	e := newStandIn(s.t)
	d := s.inFront(e)
	s.well(d)
	e.leave()
	d.gateway(gateway.Local)
	s.fires("BridgeServesAlone", course{}, s.scrape(d))
	for range 3 {
		e.come()
		d.gateway(gateway.Upstream)
		e.leave()
		d.gateway(gateway.Local)
	}
	s.fires("BridgeGatewayFlapping", course{}, s.scrape(d))
	if code, answer := d.askAdmin(http.MethodPost, "/gateway", "", `{"mode":"hold-local"}`); code != http.StatusOK {
		s.t.Fatalf("%d %s", code, answer)
	}
	s.fires("BridgeGatewayHeld", course{}, s.scrape(d))
}

// webhook posts one and returns the answer's status.
func webhook(t *testing.T, d *daemonTest, body string) int {
	t.Helper()
	resp, err := http.Post(d.url+"/api/webhooks/whatsapp", "application/json", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	_, _ = io.Copy(io.Discard, resp.Body)
	return resp.StatusCode
}

// spoolAlerts: webhooks that ChatEngine does not take.
func spoolAlerts(s *alertScene) {
	t := s.t
	e := newStandIn(t)
	dir := filepath.Join(t.TempDir(), "spool")
	d := s.inFront(e, "BRIDGE_SPOOL_DIR="+dir, "BRIDGE_SPOOL_MAX_BYTES=1MiB", "BRIDGE_SPOOL_MAX_BODY=512KiB", "BRIDGE_SPOOL_RATE=0")
	s.well(d)

	e.status.Store(http.StatusServiceUnavailable)
	if code := webhook(t, d, `{"n":1}`); code != http.StatusOK {
		t.Errorf("a webhook that is kept is answered %d", code)
	}
	s.fires("BridgeSpoolWaiting", course{ages: []string{"bridge_spool_oldest_age_seconds"}}, s.scrape(d))

	e.leave()
	d.gateway(gateway.Local)
	for range 3 {
		webhook(t, d, strings.Repeat("x", 400<<10))
	}
	s.fires("BridgeSpoolRefusing", course{}, s.scrape(d))

	e.status.Store(http.StatusBadRequest)
	e.come()
	d.gateway(gateway.Upstream)
	d.await("the dead letters", func() bool { return d.Snapshot().Spool.Dead > 0 })
	s.fires("BridgeSpoolDeadLetters", course{}, s.scrape(d))
	d.stop()

	files, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil || len(files) == 0 {
		t.Fatalf("%v: %v", files, err)
	}
	for _, file := range files {
		// Its beginning still says that it is the bridge's.
		f, err := os.OpenFile(file, os.O_WRONLY, 0)
		if err != nil {
			t.Fatal(err)
		}
		_, err = f.WriteAt([]byte(strings.Repeat("noise!", 10_000)), 64)
		if err := errors.Join(err, f.Close()); err != nil {
			t.Fatal(err)
		}
	}
	d = s.inFront(e, "BRIDGE_SPOOL_DIR="+dir)
	s.fires("BridgeSpoolSetAside", course{}, s.scrape(d))

	d = s.inFront(e, "BRIDGE_SPOOL_DIR="+filepath.Join(files[0], "below"))
	s.fires("BridgeSpoolUnavailable", course{}, s.scrape(d))
}

// eventAlerts: rows, what is looked up for them, and clients that missed some.
func eventAlerts(s *alertScene) {
	t := s.t
	dsn := pgtest.DB(t, schemas.CRM)
	conn, ids := crmDatabase(t, dsn, 12)
	exec := func(sql string, args ...any) {
		t.Helper()
		if _, err := conn.Exec(t.Context(), sql, args...); err != nil {
			t.Fatal(err)
		}
	}
	d := startDaemon(t, dsn, "BRIDGE_REPLAY_MAX_EVENTS=20")
	d.ready()
	d.client()
	d.live(1)
	exec(insertMessage, workspace, ids[0], "well")
	d.await("an event", func() bool { return d.Snapshot().Hub.Published[contract.Message] == 1 })
	s.well(d)

	exec(strings.Replace(insertMessage, "'delivered'", "'teleported'", 1), workspace, ids[0], "with a word of its own")
	d.await("the word", func() bool { return d.Snapshot().Pipeline.Mapping.UnknownWords["message.status"] > 0 })
	s.fires("BridgeUnknownWord", course{}, s.scrape(d))
	if status := d.admin("/status"); !strings.Contains(status, "teleported") {
		t.Errorf("/status does not show the word: %s", status)
	}

	exec("alter table messages alter workspace_id drop not null")
	exec("insert into messages (conversation_id, body) values ($1, 'of nobody')", ids[0])
	d.await("the row without a workspace", func() bool { return d.Snapshot().Pipeline.Mapping.Unmappable["no_workspace"] > 0 })
	s.fires("BridgeUnmappable", course{}, s.scrape(d))

	for n := range 30 {
		exec(insertMessage, workspace, ids[0], fmt.Sprint(n))
	}
	d.await("all events", func() bool { return d.Snapshot().Hub.Published[contract.Message] >= 31 })
	s.fires("BridgeReplayTooSmall", course{}, s.scrape(d))

	exec("alter table contacts rename to contacts_moved")
	exec("alter table messages rename to messages_moved")
	left := hub.AppendOffset(nil, hub.Offset{Position: source.Position{Commit: 1}, Commit: time.Now().Add(-time.Hour)})
	c := d.clientWith(map[string]any{"token": token(t, workspace), "pid": strings.Repeat("x", 20), "offset": string(left)}, ids[0])
	c.await("its gap", func(events []event) bool {
		return slices.ContainsFunc(events, func(e event) bool { return e.Name == "gap" })
	})
	s.fires("BridgeClientsMissedEvents", course{}, s.scrape(d))

	exec("alter table messages_moved rename to messages")
	for _, id := range ids[1:] {
		exec(insertMessage, workspace, id, "of somebody whose name is not known")
	}
	d.await("the lookups to fail", func() bool { return d.Snapshot().Pipeline.Mapping.Lookups.Unanswered >= 11 })
	s.fires("BridgeLookupsFailing", course{again: true}, s.scrape(d))
}

// slowClientAlerts: clients that stop to read.
func slowClientAlerts(s *alertScene) {
	t := s.t
	dsn := pgtest.DB(t, schemas.CRM)
	conn, ids := crmDatabase(t, dsn, 1)
	d := startDaemon(t, dsn, "BRIDGE_LIMITS_WRITE_TIMEOUT=500ms")
	d.ready()
	s.well(d)
	const clients = 8
	dialer := websocket.Dialer{NetDialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
		c, err := new(net.Dialer).DialContext(ctx, network, address)
		if err == nil {
			err = c.(*net.TCPConn).SetReadBuffer(4 << 10)
		}
		return c, err
	}}
	for range clients {
		c, _, err := dialer.DialContext(t.Context(), strings.Replace(d.url, "http", "ws", 1)+"/api/ws/?EIO=4&transport=websocket", nil)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = c.Close() })
		if err := c.WriteMessage(websocket.TextMessage, []byte(`40{"token":"`+token(t, workspace)+`"}`)); err != nil {
			t.Fatal(err)
		}
	}
	d.live(clients)
	for range 10 {
		if _, err := conn.Exec(t.Context(), insertMessage, workspace, ids[0], strings.Repeat("x", 1<<20)); err != nil {
			t.Fatal(err)
		}
	}
	d.await("the clients to be given up", func() bool { n := d.Snapshot(); return n.Connected() == 0 })
	s.fires("BridgeSlowClients", course{again: true}, s.scrape(d))
}

// processAlerts: the process, its files and its neighbours.
func processAlerts(s *alertScene) {
	t := s.t
	dsn := pgtest.DB(t, schemas.CRM)
	dir := t.TempDir()
	cert, key := filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	writeCertificate(t, cert, key, time.Now().Add(30*24*time.Hour))
	env := []string{"BRIDGE_TLS_CERT_FILE=" + cert, "BRIDGE_TLS_KEY_FILE=" + key}
	begin := func() *daemonTest {
		t.Helper()
		d := startDaemon(t, dsn, env...)
		d.await("events to flow", func() bool { return d.Snapshot().Source.Flowing })
		return d
	}
	d := begin()
	s.well(d)

	if err := d.ReloadFrom(func() (*configs.Config, error) {
		return configs.Load(configs.Sources{Complete: true, Env: append([]string{"BRIDGE_REPLAY_WINDOW=often"}, env...)})
	}); err == nil {
		t.Error("a configuration that is none was taken")
	}
	s.fires("BridgeReloadFailed", course{}, s.scrape(d))

	writeCertificate(t, cert, key, time.Now().Add(3*24*time.Hour))
	if err := d.ReloadFrom(func() (*configs.Config, error) { return load(t, append(env, "DATABASE_URL="+dsn)), nil }); err != nil {
		t.Fatal(err)
	}
	s.fires("BridgeCertificateExpires", course{}, s.scrape(d))

	d.stop()
	gone := s.scrape(d)
	s.fires("BridgeDown", course{}, gone)

	var starts []scraped
	for range 4 {
		d = begin()
		starts = append(starts, s.scrape(d))
		d.stop()
	}
	s.fires("BridgeRestarting", course{}, starts...)
}

// writeCertificate writes a self-signed one that ends at until, and its key.
func writeCertificate(t *testing.T, certFile, keyFile string, until time.Time) {
	t.Helper()
	cert, key, err := selfsigned.New(until, "chat.example")
	if err != nil {
		t.Fatal(err)
	}
	for file, content := range map[string][]byte{certFile: cert, keyFile: key} {
		if err := os.WriteFile(file, content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// panicAlerts: a fault of the bridge's own, which nobody knows how to cause: the server
// of its transports is given a callback that panics.
func panicAlerts(s *alertScene) {
	t := s.t
	o := socketio.DefaultOptions()
	o.Path = "/api/ws"
	server, err := socketio.New(o)
	if err != nil {
		t.Fatal(err)
	}
	server.Namespace("/").OnEvent(func(*socketio.Socket, *socketio.Event) { panic("a fault") })
	web := httptest.NewServer(server)
	t.Cleanup(func() {
		_ = server.Shutdown(context.WithoutCancel(t.Context()), socketio.ShutdownOptions{})
		web.Close()
	})
	admin := httptest.NewServer(ops.Admin{
		Snapshot: func() ops.Snapshot {
			ready := ops.ReadinessOf(ops.Health{Flowing: true}, time.Minute, time.Now())
			return ops.Snapshot{Sockets: server.Stats(), Ready: ready, Reload: ops.Reload{OK: true}}
		},
		Logger: slog.New(slog.DiscardHandler),
	}.Handler())
	t.Cleanup(admin.Close)
	s.wellAs(s.scrapeAt(admin.URL))
	c, _, err := websocket.DefaultDialer.DialContext(t.Context(), strings.Replace(web.URL, "http", "ws", 1)+"/api/ws/?EIO=4&transport=websocket", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	for _, packet := range []string{"40", `42["event"]`} {
		if err := c.WriteMessage(websocket.TextMessage, []byte(packet)); err != nil {
			t.Fatal(err)
		}
	}
	for err == nil { // until it is closed
		_, _, err = c.ReadMessage()
	}
	s.fires("BridgePanic", course{}, s.scrapeAt(admin.URL))
}

// sourceAlerts: the database, the slot and who reads it.
func sourceAlerts(s *alertScene) {
	t := s.t
	dsn := pgtest.DB(t, schemas.CRM)
	conn, ids := crmDatabase(t, dsn, 2)
	exec := func(sql string, args ...any) {
		t.Helper()
		if _, err := conn.Exec(t.Context(), sql, args...); err != nil {
			t.Fatal(err)
		}
	}
	exec(insertMessage, workspace, ids[0], "from before the start")
	d := startDaemon(t, dsn, "BRIDGE_LOOKUP_TIMEOUT=30s", "BRIDGE_HEALTH_GRACE=0s", "BRIDGE_SOURCE_POSTGRES_WATCH_INTERVAL=1s")
	d.ready()
	second := startDaemon(t, dsn)
	second.await("that it stands by", func() bool { return second.Snapshot().Source.State == "standby" })
	s.well(d, second)
	second.stop()

	exec("begin; lock table contacts in access exclusive mode")
	writer, err := pgx.Connect(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = writer.Close(context.WithoutCancel(t.Context())) }()
	if _, err := writer.Exec(t.Context(), insertMessage, workspace, ids[1], "whose contact is locked"); err != nil {
		t.Fatal(err)
	}
	d.await("the transaction to be read", func() bool { h := d.Snapshot().Source; return h.Flowing && h.Lag > 0.05 })
	s.fires("BridgeLagging", course{ages: []string{"bridge_source_lag_seconds"}}, s.scrape(d))
	exec("rollback")

	// Nobody can tell which statuses of messages from before the start it hid.
	slot := strings.ToLower(conn.Config().Database)
	d.await("the slot being dropped", func() bool {
		exec("select pg_terminate_backend(active_pid) from pg_replication_slots where slot_name = $1", slot)
		_, err := conn.Exec(t.Context(), "select pg_drop_replication_slot($1)", slot)
		return err == nil
	})
	d.await("the gap", func() bool { return d.Snapshot().Pipeline.Gaps > 0 })
	s.fires("BridgeGap", course{}, s.scrape(d))
	d.ready()

	thief := takeSlot(t, dsn, slot, conn)
	d.await("that it stands by", func() bool { return d.Snapshot().Source.State == "standby" })
	s.fires("BridgeNobodyLeads", course{}, s.scrape(d))
	_ = thief.Close(t.Context())
	d.ready()

	closeDatabase(t, conn.Config())
	d.await("that it is not ready", func() bool { code, _ := d.get("/readyz"); return code != http.StatusOK })
	s.fires("BridgeNotReady", course{}, s.scrape(d))
}

// closeDatabase has a database take no connections, and ends those that there are.
func closeDatabase(t *testing.T, config *pgx.ConnConfig) {
	t.Helper()
	elsewhere := config.Copy()
	elsewhere.Database = "postgres"
	owner, err := pgx.ConnectConfig(t.Context(), elsewhere)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = owner.Close(context.WithoutCancel(t.Context())) }()
	for _, sql := range []string{
		"alter database " + pgx.Identifier{config.Database}.Sanitize() + " allow_connections false",
		"select pg_terminate_backend(pid) from pg_stat_activity where datname = '" + config.Database + "'",
	} {
		if _, err := owner.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}
}

// slotAlerts: a server that keeps WAL for a slot, or does not.
func slotAlerts(s *alertScene) {
	t := s.t
	server := pgtest.Cluster(t, throwaway.Options{TCP: true, Settings: map[string]string{
		"max_slot_wal_keep_size": "640MB", "wal_keep_size": "0", "min_wal_size": "32MB", "max_wal_size": "64MB",
	}})
	dsn := pgtest.On(t, server, schemas.CRM)
	conn, ids := crmDatabase(t, dsn, 1)
	exec := func(sql string, args ...any) {
		t.Helper()
		if _, err := conn.Exec(t.Context(), sql, args...); err != nil {
			t.Fatal(err)
		}
	}
	grow := func(segments int) { // of 16 MiB each, nearly empty
		t.Helper()
		for range segments {
			exec("select pg_logical_emit_message(false, 'x', 'x')")
			exec("select pg_switch_wal()")
		}
	}
	// The server is the scene's own, and so is the slot's default name.
	start := func(env ...string) *daemonTest {
		t.Helper()
		return startDaemon(t, dsn, append([]string{"BRIDGE_SOURCE_POSTGRES_SLOT=bridge", "BRIDGE_SOURCE_POSTGRES_WATCH_INTERVAL=1s"}, env...)...)
	}
	d := start()
	d.ready()
	s.well(d)

	second := start()
	d.await("the second one", func() bool { return len(d.Snapshot().Postgres.Rivals) > 0 })
	s.fires("BridgeSlotShared", course{}, s.scrape(d))
	second.stop()

	// A transaction that is left open.
	exec("begin")
	exec(insertMessage, workspace, ids[0], "not committed")
	grow(34)
	d.await("the WAL that the slot holds", func() bool { p := d.Snapshot().Postgres; return p.Slot != nil && p.Slot.HeldBack > 512<<20 })
	s.fires("BridgeSlotHoldsWAL", course{}, s.scrape(d))
	exec("rollback")
	d.stop()

	exec("alter system set max_slot_wal_keep_size = '16MB'")
	exec("select pg_reload_conf()")
	grow(4)
	exec("checkpoint")
	d = start("BRIDGE_SOURCE_POSTGRES_CREATE=never")
	d.await("that it is blocked", func() bool { return d.Snapshot().Source.State == "blocked" })
	s.fires("BridgeSlotLosing", course{}, s.scrape(d))
	s.fires("BridgeSourceBlocked", course{}, s.scrape(d))
}

// realtimeAlerts: Realtime, and what reads back what it loses.
func realtimeAlerts(s *alertScene) {
	t := s.t
	dsn := pgtest.DB(t, realtimedouble.Roles, schemas.CRM)
	conn, _ := crmDatabase(t, dsn, 1)
	p := startProject(t, dsn)
	env := []string{
		"BRIDGE_SOURCE_KIND=realtime", "SUPABASE_URL=" + p.URL(), "SUPABASE_SERVICE_ROLE_KEY=" + p.Key(),
		"BRIDGE_SOURCE_REALTIME_RECONCILE_INTERVAL=1s",
	}
	d := runDaemon(t, append(env, "BRIDGE_LEDGER_FILE="+filepath.Join(t.TempDir(), "ledger")))
	d.ready()
	d.await("the channels, and a comparison", func() bool {
		s := d.Snapshot()
		return s.Source.State == "live" && !s.Realtime.Reconcile.LastSuccess.IsZero()
	})
	s.well(d)

	p.failReading(true)
	d.await("reading back to fail", func() bool { return !d.Snapshot().Realtime.Reconcile.FailingSince.IsZero() })
	s.fires("BridgeReconcileFailing", course{later: 6}, s.scrape(d))
	p.failReading(false)

	if _, err := conn.Exec(t.Context(), "alter publication supabase_realtime drop table messages"); err != nil {
		t.Fatal(err)
	}
	p.EndChannels("phx_close")
	d.await("a refusal", func() bool {
		return slices.ContainsFunc(d.Snapshot().Realtime.Channels, func(c realtime.ChannelStats) bool { return c.State == realtime.ChannelRefused })
	})
	s.fires("BridgeChannelRefused", course{}, s.scrape(d))
	d.stop()

	d = runDaemon(t, append(env, "BRIDGE_LEDGER_FILE="+filepath.Join(t.TempDir(), "nowhere", "ledger")))
	d.await("the ledger to fail", func() bool { l := d.Snapshot().Ledger; return l != nil && l.Error != "" })
	s.fires("BridgeLedgerFailing", course{}, s.scrape(d))
	d.stop()

	p.failReading(true)
	d = runDaemon(t, env)
	d.await("the first comparison to fail", func() bool { return !d.Snapshot().Realtime.Reconcile.FailingSince.IsZero() })
	s.wells = nil // it never was well
	s.fires("BridgeReconcileFailing", course{later: 6}, s.scrape(d))
}

// clusterAlerts: Redis between bridges.
func clusterAlerts(s *alertScene) {
	t := s.t
	c := newClusterTest(t)
	admin := c.redis.Client()
	do := func(args ...any) {
		t.Helper()
		if err := admin.Do(t.Context(), args...).Err(); err != nil {
			t.Fatalf("%v: %v", args, err)
		}
	}
	do("acl", "setuser", "edge", "on", ">secret", "allkeys", "allchannels", "allcommands")
	lead := func() *daemonTest {
		t.Helper()
		d := c.start("BRIDGE_REPLAY_WINDOW=0s")
		d.await("that it leads", func() bool { return role(d) == "leader" })
		return d
	}
	leader := lead()
	edge := c.start("REDIS_URL="+strings.Replace(c.redis.URL(), "redis://", "redis://edge:secret@", 1), "BRIDGE_CLUSTER_ROLE=edge", "BRIDGE_REPLAY_WINDOW=0s")
	edge.ready()
	c.insert("well")
	s.well(edge, leader)

	// What the edge has yet to read is removed while it is shut out, who could append
	// it again ends, and the slot does not have it any more.
	do("acl", "setuser", "edge", "off")
	do("client", "kill", "user", "edge")
	published := leader.Snapshot().Cluster.Appended
	c.insert("removed")
	leader.await("the entry", func() bool { s := leader.Snapshot().Cluster; return s.Appended > published && s.Waiting == 0 })
	leader.stop()
	keys, err := admin.Keys(t.Context(), "*").Result()
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range keys {
		if admin.Type(t.Context(), key).Val() == "stream" {
			do("xtrim", key, "maxlen", 0)
		}
	}
	if _, err := c.conn.Exec(t.Context(), "select pg_replication_slot_advance($1, pg_current_wal_lsn())", strings.ToLower(c.conn.Config().Database)); err != nil {
		t.Fatal(err)
	}
	leader = lead()
	c.insert("after it")
	do("acl", "setuser", "edge", "on")
	edge.await("that something is missing", func() bool { return edge.Snapshot().Cluster.Rejoins > 0 })
	s.fires("BridgeClusterLosesData", course{others: []scraped{s.scrape(leader)}}, s.scrape(edge))

	c.redis.Kill()
	for _, d := range []*daemonTest{edge, leader} {
		d.await("that Redis is gone", func() bool { return !d.Snapshot().Cluster.Connected })
	}
	others := []scraped{s.scrape(leader)}
	s.fires("BridgeClusterBroken", course{others: others}, s.scrape(edge))
	s.fires("BridgeClusterRedisAway", course{others: others}, s.scrape(edge))
}

// slowNetwork passes connections on to a server, and its answers at bytesPerSecond.
type slowNetwork struct {
	addr           string
	bytesPerSecond atomic.Int64 // 0 for as fast as it goes
}

func newSlowNetwork(t *testing.T, to string) *slowNetwork {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	n := &slowNetwork{addr: ln.Addr().String()}
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	var all sync.WaitGroup
	t.Cleanup(func() { cancel(); _ = ln.Close(); all.Wait() })
	all.Go(func() {
		for {
			in, err := ln.Accept()
			if err != nil {
				return
			}
			out, err := net.Dial("tcp", to)
			if err != nil {
				_ = in.Close()
				continue
			}
			end := context.AfterFunc(ctx, func() { _, _ = in.Close(), out.Close() })
			all.Go(func() { _, _ = io.Copy(out, in); _ = out.Close() })
			all.Go(func() { n.pass(in, out); _ = in.Close(); end() })
		}
	})
	return n
}

// pass takes as long for each piece as it takes on such a network.
func (n *slowNetwork) pass(to, from net.Conn) {
	piece := make([]byte, 64<<10)
	for {
		size, err := from.Read(piece)
		if rate := n.bytesPerSecond.Load(); rate > 0 {
			time.Sleep(time.Duration(size) * time.Second / time.Duration(rate))
		}
		if _, failed := to.Write(piece[:size]); failed != nil || err != nil {
			return
		}
	}
}

// clusterPairAlerts: a leader and an edge, the database and the network between them.
func clusterPairAlerts(s *alertScene) {
	t := s.t
	c := newClusterTest(t)
	leader := c.start()
	leader.await("that it leads", func() bool { return role(leader) == "leader" })
	network := newSlowNetwork(t, c.redis.Addr)
	edge := c.start("REDIS_URL=redis://"+network.addr, "BRIDGE_CLUSTER_ROLE=edge")
	edge.ready()
	c.insert("well")
	edge.await("the event", func() bool { return edge.Snapshot().Hub.Published[contract.Message] == 1 })
	s.well(edge, leader)

	for n := range uint64(4) {
		if err := c.redis.Client().FlushAll(t.Context()).Err(); err != nil {
			t.Fatal(err)
		}
		c.insert("after FLUSHALL")
		leader.await("that it appends again", func() bool { s := leader.Snapshot().Cluster; return s.Refills > n && s.Connected && s.Waiting == 0 })
	}
	s.fires("BridgeClusterRefills", course{others: []scraped{s.scrape(leader)}}, s.scrape(edge))

	// Each is an entry of its own, so that one read gets a part of them.
	const messages, size = 600, 70 << 10
	network.bytesPerSecond.Store(5 << 20)
	if _, err := c.conn.Exec(t.Context(), `insert into messages (workspace_id, conversation_id, body, status, is_outgoing, sender_jid)
		select $1::uuid, $2::uuid, repeat('x', $3), 'delivered', false, '5511999999999@s.whatsapp.net' from generate_series(1, $4::int)`, workspace, c.ids[0], size, messages); err != nil {
		t.Fatal(err)
	}
	var behind scraped
	edge.await("that it is behind", func() bool {
		behind = s.scrape(edge)
		return behind.values["bridge_source_flowing"] == 1 && behind.values["bridge_source_lag_seconds"] > 0.05
	})
	s.fires("BridgeClusterEdgeBehind", course{ages: []string{"bridge_source_lag_seconds"}, others: []scraped{s.scrape(leader)}}, behind)
	network.bytesPerSecond.Store(0)

	edge.stop()

	other := c.start("BRIDGE_SOURCE_POSTGRES_SLOT=other_" + strings.ToLower(c.conn.Config().Database))
	other.await("that it leads too", func() bool { return role(other) == "leader" })
	for _, d := range []*daemonTest{leader, other} {
		d.await("what differs", func() bool { return len(d.Snapshot().Cluster.Differing) > 0 })
	}
	s.fires("BridgeClusterTwoLeaders", course{others: []scraped{s.scrape(leader)}}, s.scrape(other))
	s.fires("BridgeClusterDiffers", course{others: []scraped{s.scrape(leader)}}, s.scrape(other))
	other.stop()

	foreign := strangersOf(c, pgtest.DB(t, schemas.CRM)).start()
	leader.await("who has its name", func() bool { return len(leader.Snapshot().Cluster.Foreign) > 0 })
	s.fires("BridgeClusterNameShared", course{}, s.scrape(leader))
	foreign.stop()

	edge = c.start()
	edge.ready()
	closeDatabase(t, c.conn.Config())
	edge.await("that nothing flows at the leader", func() bool { h := edge.Snapshot().Source; return !h.Flowing && !h.FlowedUntil.IsZero() })
	s.spares("BridgeClusterEdgeBehind", course{ages: []string{"bridge_source_lag_seconds"}, others: []scraped{s.scrape(leader)}}, s.scrape(edge))
	leader.stop()
	s.fires("BridgeClusterNoLeader", course{others: []scraped{s.scrape(leader)}}, s.scrape(edge))
}

// fewDescriptors is how many a process gets that is to run out of them.
const fewDescriptors = 256

// TestFewDescriptors is the process of descriptorAlerts: a bridge until its standard
// input ends.
func TestFewDescriptors(t *testing.T) {
	if os.Getenv("BRIDGE_TEST_FEW_DESCRIPTORS") == "" {
		t.Skip("is run by TestEachAlertFiresByItsCause")
	}
	d := runDaemon(t, []string{"DATABASE_URL=" + os.Getenv("BRIDGE_TEST_FEW_DESCRIPTORS"), "BRIDGE_SOURCE_POSTGRES_SLOT=few_descriptors", "BRIDGE_LOG_LEVEL=error"})
	d.ready()
	fmt.Printf("\nat %s %s\n", d.url, d.AdminAddr())
	_, _ = io.Copy(io.Discard, os.Stdin)
}

// descriptorAlerts: more connections than the process may have files.
func descriptorAlerts(s *alertScene) {
	t := s.t
	dsn := pgtest.DB(t, schemas.CRM)
	cmd := programs.Command("/bin/sh", "-c", fmt.Sprintf(`ulimit -n %d && exec "$0" -test.run='^TestFewDescriptors$'`, fewDescriptors), os.Args[0])
	cmd.Env = append(os.Environ(), "BRIDGE_TEST_FEW_DESCRIPTORS="+dsn)
	stop, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = stop.Close(); _ = cmd.Wait() })
	var public, admin, said string
	for lines := bufio.NewScanner(out); lines.Scan(); said += lines.Text() + "\n" {
		if n, _ := fmt.Sscanf(lines.Text(), "at http://%s %s", &public, &admin); n == 2 {
			break
		}
	}
	if admin == "" {
		t.Fatalf("it did not start: %s", said)
	}
	s.wellAs(s.scrapeAt("http://" + admin))
	for range fewDescriptors * 82 / 100 {
		c, err := net.Dial("tcp", public)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = c.Close() })
		// A request that waits for its rest, so that the connection was accepted.
		if _, err := io.WriteString(c, "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
		if _, err := bufio.NewReader(c).ReadString('\n'); err != nil {
			t.Fatal(err)
		}
	}
	s.fires("BridgeFileDescriptors", course{}, s.scrapeAt("http://"+admin))
}
