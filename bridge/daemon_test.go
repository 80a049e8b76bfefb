package bridge_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"chatbridge/bridge"
	"chatbridge/bridge/auth"
	"chatbridge/bridge/ops"
	"chatbridge/configs"
	"chatbridge/internal/schemas"
	"chatbridge/internal/sioclient"
	"chatbridge/internal/throwaway"
	"chatbridge/internal/throwaway/pgtest"
)

const (
	secret    = "a-secret-of-the-tests"
	workspace = "5a1e0000-0000-4000-8000-00000000000a"
)

// daemonTest is a Daemon that runs against a real Postgres.
type daemonTest struct {
	*bridge.Daemon
	t    *testing.T
	url  string
	log  *logbook
	done chan error
	stop context.CancelFunc
}

// logbook keeps what is logged.
type logbook struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *logbook) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *logbook) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// startDaemon runs a daemon for a database. The slot is named after the
// database, because slots are the cluster's.
func startDaemon(t *testing.T, dsn string, env ...string) *daemonTest {
	t.Helper()
	config, err := pgx.ParseConfig(dsn)
	if err != nil {
		t.Fatal(err)
	}
	return runDaemon(t, append([]string{
		"DATABASE_URL=" + dsn, "BRIDGE_SOURCE_POSTGRES_SLOT=" + strings.ToLower(config.Database),
	}, env...))
}

// load is the configuration of an environment, on free ports.
func load(t *testing.T, env []string) *configs.Config {
	t.Helper()
	cfg, err := configs.Load(configs.Sources{Complete: true, Env: append([]string{
		"CHATENGINE_JWT_SECRET=" + secret, "BRIDGE_SHUTDOWN_GRACE=5s",
		"BRIDGE_LISTEN=127.0.0.1:0", "BRIDGE_ADMIN_LISTEN=127.0.0.1:0",
	}, env...)})
	if err != nil {
		t.Fatal(err)
	}
	return cfg
}

func runDaemon(t *testing.T, env []string) *daemonTest {
	t.Helper()
	cfg := load(t, env)
	var err error
	d := &daemonTest{t: t, log: new(logbook), done: make(chan error, 1)}
	d.Daemon, err = bridge.New(cfg, bridge.Options{Build: ops.Build{Version: "test"}, Logger: slog.New(slog.NewTextHandler(d.log, nil))})
	if err != nil {
		t.Fatal(err)
	}
	if err := d.Listen(); err != nil {
		t.Fatal(err)
	}
	d.url = "http://" + d.Addr().String()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		d.done <- d.Run(ctx)
	}()
	d.stop = func() { cancel(); <-ended }
	t.Cleanup(func() {
		d.stop()
		if t.Failed() {
			t.Log(d.log)
		}
	})
	return d
}

// ready waits until /readyz says so.
func (d *daemonTest) ready() {
	d.t.Helper()
	d.await("readiness", func() bool { code, _ := d.get("/readyz"); return code == http.StatusOK })
}

func (d *daemonTest) await(what string, ok func() bool) {
	d.t.Helper()
	deadline := time.Now().Add(30 * time.Second)
	for !ok() {
		if time.Now().After(deadline) {
			d.t.Fatalf("%s did not come; log:\n%s", what, d.log)
		}
		time.Sleep(5 * time.Millisecond) // polls another process's state
	}
}

// live waits until that many clients are connected and have read all they are
// owed from the log: from then on, events come in the order of their commits.
func (d *daemonTest) live(clients int) {
	d.t.Helper()
	d.await("the clients being live", func() bool {
		s := d.Snapshot()
		return s.Connected() == int64(clients) && s.Hub.Catching == 0
	})
}

func (d *daemonTest) get(path string) (code int, body string) {
	res, err := http.Get(d.url + path)
	if err != nil {
		return 0, err.Error()
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		return 0, err.Error()
	}
	return res.StatusCode, string(text)
}

// admin returns what the admin listener answers.
func (d *daemonTest) admin(path string) string {
	d.t.Helper()
	res, err := http.Get("http://" + d.AdminAddr().String() + path)
	if err != nil {
		d.t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != http.StatusOK {
		d.t.Fatalf("%s: %s, %v", path, res.Status, err)
	}
	return string(body)
}

// getAdmin is get of the admin listener, with a token where there is one.
func (d *daemonTest) getAdmin(path, token string) (code int, body string) {
	return d.askAdmin(http.MethodGet, path, token, "")
}

func (d *daemonTest) askAdmin(method, path, token, body string) (code int, answer string) {
	d.t.Helper()
	_, port, err := net.SplitHostPort(d.AdminAddr().String())
	if err != nil {
		d.t.Fatal(err)
	}
	r, err := http.NewRequestWithContext(d.t.Context(), method, "http://127.0.0.1:"+port+path, strings.NewReader(body))
	if err != nil {
		d.t.Fatal(err)
	}
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		return 0, err.Error()
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		return 0, err.Error()
	}
	return res.StatusCode, string(text)
}

func token(t *testing.T, workspace string) string {
	t.Helper()
	token, err := auth.Sign(secret, workspace, "user", "", "", time.Now(), time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	return token
}

// event is one event as a CRM sees it.
type event struct {
	Name    string
	Payload map[string]any
	Offset  string
}

// crm is a client that keeps events.
type crm struct {
	*sioclient.Client
	t         *testing.T
	connected chan struct{}
	leave     func() // ends it
	mu        sync.Mutex
	pid       string // of its session
	events    []event
	changed   chan struct{}
}

func (d *daemonTest) client(subscribe ...string) *crm {
	d.t.Helper()
	return d.clientOf(workspace, subscribe...)
}

func (d *daemonTest) clientOf(workspace string, subscribe ...string) *crm {
	d.t.Helper()
	return d.clientWith(map[string]any{"token": token(d.t, workspace)}, subscribe...)
}

// clientWith is client with that CONNECT payload.
func (d *daemonTest) clientWith(auth map[string]any, subscribe ...string) *crm {
	d.t.Helper()
	c := &crm{t: d.t, connected: make(chan struct{}, 100), changed: make(chan struct{}, 1)}
	var err error
	c.Client, err = sioclient.New(sioclient.Options{
		URL: d.url, Auth: auth,
		Backoff: sioclient.Backoff{Delay: 10 * time.Millisecond, Most: 200 * time.Millisecond},
		OnConnect: func(s sioclient.Session) {
			c.mu.Lock()
			c.pid = s.PID
			c.mu.Unlock()
			for _, id := range subscribe {
				_ = c.Emit("subscribe:conversation", id)
			}
			c.connected <- struct{}{}
		},
		OnEvent: func(e sioclient.Event) {
			ev := event{Name: e.Name}
			_ = json.Unmarshal(e.Args[0], &ev.Payload)
			if len(e.Args) > 1 {
				_ = json.Unmarshal(e.Args[1], &ev.Offset)
			}
			c.mu.Lock()
			c.events = append(c.events, ev)
			c.mu.Unlock()
			select {
			case c.changed <- struct{}{}:
			default:
			}
		},
	})
	if err != nil {
		d.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(d.t.Context())
	done := make(chan struct{})
	go func() { defer close(done); _ = c.Run(ctx) }()
	c.leave = func() { cancel(); <-done }
	d.t.Cleanup(c.leave)
	<-c.connected
	return c
}

func (c *crm) await(what string, ok func([]event) bool) []event {
	c.t.Helper()
	timeout := time.After(60 * time.Second)
	for {
		c.mu.Lock()
		events := slices.Clone(c.events)
		c.mu.Unlock()
		if ok(events) {
			return events
		}
		select {
		case <-c.changed:
		case <-timeout:
			c.t.Fatalf("%s did not come; got %d events", what, len(events))
		}
	}
}

// crmDatabase is a database in the CRM's schema with some conversations.
func crmDatabase(t *testing.T, dsn string, conversations int) (conn *pgx.Conn, ids []string) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(context.WithoutCancel(t.Context())) })
	for i := range conversations {
		id := fmt.Sprintf("c0000000-0000-4000-8000-%012d", i)
		if _, err := conn.Exec(t.Context(), `with c as (insert into contacts (workspace_id, name, phone) values ($1, $2, $3) returning id)
			insert into conversations (id, workspace_id, contact_id) select $4, $1, id from c`,
			workspace, fmt.Sprintf("Contact %d", i), fmt.Sprintf("55119%08d", i), id); err != nil {
			t.Fatal(err)
		}
		ids = append(ids, id)
	}
	return conn, ids
}

const insertMessage = `insert into messages (workspace_id, conversation_id, body, status, is_outgoing, sender_jid)
	values ($1, $2, $3, 'delivered', false, '5511999999999@s.whatsapp.net')`

func TestServeCreatesWhatItNeedsAndServes(t *testing.T) {
	t.Parallel()
	dsn := pgtest.DB(t, schemas.CRM)
	conn, ids := crmDatabase(t, dsn, 1)
	d := startDaemon(t, dsn)
	d.ready()
	if !strings.Contains(d.log.String(), `CREATE PUBLICATION \"bridge\" FOR TABLE`) {
		t.Errorf("the log does not say that the publication was created:\n%s", d.log)
	}
	c := d.client(ids[0])
	d.live(1)
	if _, err := conn.Exec(t.Context(), insertMessage, workspace, ids[0], `say "hi" <b>&</b> 👍`); err != nil {
		t.Fatal(err)
	}
	got := c.await("the conversation event", func(events []event) bool {
		return slices.ContainsFunc(events, func(e event) bool { return e.Name == "conversation" })
	})
	if got[0].Name != "message" || got[0].Payload["content"] != `say "hi" <b>&</b> 👍` || got[0].Payload["senderId"] != "5511999999999@s.whatsapp.net" {
		t.Errorf("first event %v", got[0])
	}
	last, _ := got[1].Payload["lastMessage"].(map[string]any)
	if got[1].Name != "conversation" || last["content"] != `say "hi" <b>&</b> 👍` {
		t.Errorf("second event %v", got[1])
	}
	d.stop()
	if err := <-d.done; err != nil {
		t.Errorf("Run returned %v after an orderly end", err)
	}
}

func TestPostgresRestartedUnderLoadLosesNothing(t *testing.T) {
	t.Parallel()
	cluster := pgtest.Cluster(t, throwaway.Options{TCP: true, Settings: map[string]string{"synchronous_commit": "on"}})
	admin, err := pgx.Connect(t.Context(), cluster.URL("postgres"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := admin.Exec(t.Context(), "create database crm"); err != nil {
		t.Fatal(err)
	}
	_ = admin.Close(t.Context())
	dsn := cluster.URL("crm")
	conn, err := pgx.Connect(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Exec(t.Context(), schemas.CRM); err != nil {
		t.Fatal(err)
	}
	_ = conn.Close(t.Context())
	_, ids := crmDatabase(t, dsn, 5)
	d := startDaemon(t, dsn)
	d.ready()
	clients := []*crm{d.client(ids...), d.client(ids...), d.client()}

	const total = 1000
	restart := map[int]string{300: "fast", 700: "immediate"}
	for i := range total {
		if mode := restart[i]; mode != "" {
			if err := cluster.Restart(t.Context(), mode); err != nil {
				t.Fatal(err)
			}
		}
		insertAnyway(t, dsn, &conn, ids[i%len(ids)], i)
	}
	for _, c := range clients {
		events := c.await("all messages", func(events []event) bool { return len(bodies(events)) >= total })
		last := map[string]int{}
		seen := map[int]bool{}
		for _, e := range events {
			if e.Name != "message" {
				continue
			}
			var n int
			_, _ = fmt.Sscanf(e.Payload["content"].(string), "message %d", &n)
			conversation := e.Payload["conversationId"].(string)
			if !seen[n] && n < last[conversation] {
				t.Fatalf("message %d came after %d of the same conversation", n, last[conversation])
			}
			seen[n], last[conversation] = true, max(last[conversation], n)
		}
		if len(seen) != total {
			t.Errorf("%d of %d messages", len(seen), total)
		}
	}
}

// insertAnyway inserts a message, over a new connection where the old one has
// ended. The id makes a second try harmless.
func insertAnyway(t *testing.T, dsn string, conn **pgx.Conn, conversation string, n int) {
	t.Helper()
	deadline := time.Now().Add(20 * time.Second)
	for {
		var err error
		if (*conn).IsClosed() {
			*conn, err = pgx.Connect(t.Context(), dsn)
		}
		if err == nil {
			_, err = (*conn).Exec(t.Context(), `insert into messages (id, workspace_id, conversation_id, body) values ($1, $2, $3, $4)
				on conflict do nothing`, fmt.Sprintf("d0000000-0000-4000-8000-%012d", n), workspace, conversation, fmt.Sprintf("message %d", n))
		}
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal(err)
		}
		if *conn == nil {
			*conn = new(pgx.Conn)
		}
		time.Sleep(10 * time.Millisecond) // until the server takes connections again
	}
}

// bodies are the different contents of all messages.
func bodies(events []event) map[string]bool {
	b := map[string]bool{}
	for _, e := range events {
		if e.Name == "message" {
			b[e.Payload["content"].(string)] = true
		}
	}
	return b
}

func TestARoleThatMayNotIsToldTheSQL(t *testing.T) {
	t.Parallel()
	dsn := pgtest.DB(t, schemas.CRM, `do $$ begin
		if not exists (select from pg_roles where rolname = 'bridge_limited') then
			create role bridge_limited login replication password 'x';
		end if; end $$;
		grant select on all tables in schema public to bridge_limited;`)
	d := startDaemon(t, as(t, dsn, "bridge_limited", "x"))
	err := <-d.done
	d.done <- err
	var setup *bridge.SetupError
	if !errors.As(err, &setup) || setup.ExitCode() != 2 {
		t.Fatalf("Run returned %v, want a SetupError with exit code 2", err)
	}
	for _, want := range []string{`CREATE PUBLICATION "bridge" FOR TABLE`, "pg_create_logical_replication_slot("} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("the error lacks %q:\n%v", want, err)
		}
	}
}

// as is a connection string for another role.
func as(t *testing.T, dsn, role, password string) string {
	t.Helper()
	if u, err := url.Parse(dsn); err == nil && u.Scheme != "" {
		u.User = url.UserPassword(role, password)
		q := u.Query()
		q.Del("user")
		q.Del("password")
		u.RawQuery = q.Encode()
		return u.String()
	}
	return dsn + " user=" + role + " password=" + password
}

func TestATableWithoutKeyIsRefused(t *testing.T) {
	t.Parallel()
	dsn := pgtest.DB(t, schemas.CRM, `drop publication supabase_realtime;
		alter table messages drop constraint messages_reply_to_id_fkey, drop constraint messages_pkey;
		alter table messages replica identity default`)
	d := startDaemon(t, dsn)
	err := <-d.done
	d.done <- err
	if err == nil || !strings.Contains(err.Error(), "table.identity") {
		t.Fatalf("Run returned %v, want what is wrong with the table's identity", err)
	}
	conn, _ := crmDatabase(t, dsn, 1)
	var published int
	if err := conn.QueryRow(t.Context(), "select count(*) from pg_publication_tables where tablename = 'messages'").Scan(&published); err != nil || published != 0 {
		t.Errorf("messages is in %d publications (error %v): the application's updates would fail", published, err)
	}
}

func TestNoDatabaseIsWaitedFor(t *testing.T) {
	t.Parallel()
	cluster := pgtest.Cluster(t, throwaway.Options{TCP: true})
	dsn := cluster.URL("postgres")
	conn, err := pgx.Connect(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Exec(t.Context(), schemas.CRM); err != nil {
		t.Fatal(err)
	}
	_ = conn.Close(t.Context())
	if err := cluster.Halt(t.Context(), "fast"); err != nil {
		t.Fatal(err)
	}
	d := startDaemon(t, dsn)
	d.await("the reason in /readyz", func() bool {
		code, body := d.getAdmin("/readyz", "")
		return code == http.StatusServiceUnavailable && strings.Contains(body, "refused")
	})
	// Everybody is told the state, and nothing of where the database is.
	if code, body := d.get("/readyz"); code != http.StatusServiceUnavailable || strings.Contains(body, "refused") || strings.Contains(body, "127.0.0.1") || !strings.Contains(body, "retrying") {
		t.Errorf("the public /readyz: %d %s", code, body)
	}
	if code, _ := d.get("/healthz"); code != http.StatusOK {
		t.Errorf("/healthz is %d while the process serves", code)
	}
	if err := cluster.StartAgain(t.Context()); err != nil {
		t.Fatal(err)
	}
	d.ready()
}

func TestAWrongPasswordIsNamed(t *testing.T) {
	t.Parallel()
	cluster := pgtest.Cluster(t, throwaway.Options{TCP: true})
	d := startDaemon(t, as(t, cluster.URL("postgres"), "postgres", "wrong-password"))
	d.await("the reason in /readyz", func() bool {
		_, body := d.getAdmin("/readyz", "")
		return strings.Contains(body, "blocked") && strings.Contains(body, "password")
	})
	if _, body := d.get("/readyz"); !strings.Contains(body, "blocked") || strings.Contains(body, "password") {
		t.Errorf("the public /readyz: %s", body)
	}
	if strings.Contains(d.log.String(), "wrong-password") {
		t.Errorf("the log has the password:\n%s", d.log)
	}
}

func TestAMissingColumnCostsItsMember(t *testing.T) {
	t.Parallel()
	dsn := pgtest.DB(t, schemas.CRM, "alter table messages drop column client_id")
	conn, ids := crmDatabase(t, dsn, 1)
	d := startDaemon(t, dsn)
	d.ready()
	warnings := strings.Join(d.Snapshot().Warnings, "\n")
	if !strings.Contains(warnings, "client_id") || !strings.Contains(warnings, "message.metadata") {
		t.Errorf("the warnings name neither column nor member:\n%s", warnings)
	}
	c := d.client(ids[0])
	if _, err := conn.Exec(t.Context(), insertMessage, workspace, ids[0], "still served"); err != nil {
		t.Fatal(err)
	}
	c.await("the message", func(events []event) bool { return bodies(events)["still served"] })
}

// TestAConditionThatNeverHoldsIsTold at the start too, not by `bridge check` alone: nothing
// else would tell why no message comes.
func TestAConditionThatNeverHoldsIsTold(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "mapping.yaml")
	if err := os.WriteFile(file, []byte("message: {where: {column: id, is: 'yes'}}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	d := startDaemon(t, pgtest.DB(t, schemas.CRM), "BRIDGE_MAPPING_FILE="+file)
	d.ready()
	if w := strings.Join(d.Snapshot().Warnings, "\n"); !strings.Contains(w, "the condition never holds") || !strings.Contains(w, "mapping.yaml:1") {
		t.Errorf("the warnings: %s", w)
	}
}

func TestAPortThatIsTakenIsNamed(t *testing.T) {
	t.Parallel()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	cfg, err := configs.Load(configs.Sources{Env: []string{
		"DATABASE_URL=postgres://x", "CHATENGINE_JWT_SECRET=" + secret, "BRIDGE_LISTEN=" + ln.Addr().String(),
	}})
	if err != nil {
		t.Fatal(err)
	}
	d, err := bridge.New(cfg, bridge.Options{Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	err = d.Listen()
	if err == nil || !strings.Contains(err.Error(), "listen = ") || !strings.Contains(err.Error(), "another process has this port") {
		t.Errorf("error %v", err)
	}
}
