package check_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"chatbridge/bridge/check"
	"chatbridge/configs"
	"chatbridge/internal/ports"
	"chatbridge/internal/schemas"
	"chatbridge/internal/throwaway"
	"chatbridge/internal/throwaway/pgtest"
	"chatbridge/source/postgres/provision"

	"github.com/gorilla/websocket"
	"github.com/jackc/pgx/v5"
)

func TestMain(m *testing.M) { os.Exit(pgtest.Main(m)) }

const secret = "chatengine-secret-of-thirty-two-bytes!"

func load(t *testing.T, env ...string) *configs.Config {
	t.Helper()
	env = append([]string{"BRIDGE_LISTEN=127.0.0.1:0", "BRIDGE_ADMIN_LISTEN=127.0.0.1:0", "CHATENGINE_JWT_SECRET=" + secret, "BRIDGE_CORS_ORIGINS=https://crm.example"}, env...)
	c, err := configs.Load(configs.Sources{Env: env, Complete: true})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// findings runs the check and returns what was found: `level id object`.
func findings(t *testing.T, c *configs.Config) map[string]check.Finding {
	t.Helper()
	out := map[string]check.Finding{}
	for _, f := range check.Run(t.Context(), c) {
		out[f.Level.String()+" "+f.ID] = f
		// Without tables there is no statement that would make a publication.
		fixable := f.ID != "config.unwise" && f.ID != "publication.missing"
		if f.Level != provision.OK && fixable && (f.Meaning == "" || f.Fix == "") {
			t.Errorf("%s %s has no consequence or no fix: %+v", f.Level, f.ID, f)
		}
		for _, text := range []string{f.What, f.Meaning, f.Fix, f.Object} {
			if strings.Contains(text, secret) || strings.Contains(text, "topsecret") {
				t.Errorf("%s shows a secret: %+v", f.ID, f)
			}
		}
	}
	return out
}

func expect(t *testing.T, got map[string]check.Finding, want ...string) {
	t.Helper()
	for _, w := range want {
		id, piece, _ := strings.Cut(w, ": ")
		f, ok := got[id]
		if !ok {
			t.Errorf("no %q among %v", id, keys(got))
			continue
		}
		if !strings.Contains(f.What+" "+f.Fix, piece) {
			t.Errorf("%s: want %q in %+v", id, piece, f)
		}
	}
}

func keys(m map[string]check.Finding) []string {
	var out []string
	for k := range m {
		out = append(out, k)
	}
	return out
}

// None of the levels, or levels and ids, given may be among the findings.
func none(t *testing.T, got map[string]check.Finding, levels ...string) {
	t.Helper()
	for id, f := range got {
		for _, l := range levels {
			if strings.HasPrefix(id, l+" ") || id == l {
				t.Errorf("%s: %+v", id, f)
			}
		}
	}
}

const publish = "create publication bridge for table messages, conversations"

// ready makes a database in which nothing is missing.
func ready(t *testing.T) string {
	return pgtest.DB(t, schemas.CRM, publish, "select pg_create_logical_replication_slot('"+slot(t)+"', 'pgoutput')")
}

// slot is a name of the test's own: slots are the cluster's, not the
// database's.
func slot(t *testing.T) string {
	return "s" + regexp.MustCompile(`[^a-z0-9]`).ReplaceAllString(strings.ToLower(t.Name()), "_")
}

func TestEverythingRight(t *testing.T) {
	t.Parallel()
	url := ready(t)
	project := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, `{"keys":[{"kty":"OKP","crv":"Ed25519","kid":"k","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}`)
	}))
	t.Cleanup(project.Close)
	engine := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusBadRequest)
		fmt.Fprint(w, `{"code":1,"message":"Session ID unknown"}`)
	}))
	t.Cleanup(engine.Close)
	cert, key := certificate(t, time.Now().Add(90*24*time.Hour))
	got := findings(t, load(t, "DATABASE_URL="+url, "BRIDGE_SOURCE_POSTGRES_SLOT="+slot(t), "SUPABASE_JWT_SECRET="+secret+"2", "BRIDGE_AUTH_JWKS_URL="+project.URL,
		"CHATENGINE_URL="+engine.URL, "BRIDGE_TLS_CERT_FILE="+cert, "BRIDGE_TLS_KEY_FILE="+key, "BRIDGE_REPLAY_STATE_FILE="+filepath.Join(t.TempDir(), "state"), "BRIDGE_SPOOL_DIR="+filepath.Join(t.TempDir(), "new", "spool")))
	none(t, got, "fail")
	expect(t, got, "ok config.valid", "ok mapping.valid", "ok server.wal_level", "ok connect.replication", "ok mapping.columns: every column", "ok publication.tables",
		"ok auth.chatengine", "ok auth.supabase", "ok auth.jwks: publishes 1 key", "ok auth.members", "ok listen.free", "ok tls.files", "ok replay.state_file", "ok spool.dir", "ok gateway.upstream")
}

// TestStateFileInFrontOfChatEngine: without one, a restart costs ChatEngine's clients, so
// it is missed; the installed service has one, which nobody has to make.
func TestStateFileInFrontOfChatEngine(t *testing.T) {
	t.Parallel()
	url := ready(t)
	env := []string{"DATABASE_URL=" + url, "BRIDGE_SOURCE_POSTGRES_SLOT=" + slot(t), "BRIDGE_LISTEN=127.0.0.1:0", "BRIDGE_ADMIN_LISTEN=127.0.0.1:0"}
	none(t, findings(t, load(t, env...)), "warn replay.state_file")
	gateway := append(env, "CHATENGINE_URL=http://127.0.0.1:9")
	expect(t, findings(t, load(t, gateway...)), "warn replay.state_file")
	expect(t, findings(t, load(t, append(gateway, "BRIDGE_REPLAY_STATE_FILE=none")...)), "warn replay.state_file")

	units := t.TempDir()
	config := filepath.Join(units, "bridge.yaml")
	for path, text := range map[string]string{
		filepath.Join(units, "bridge.service"): "[Service]\nExecStart=/usr/bin/bridge serve --config " + config + "\nStateDirectory=never-made\n",
		config:                                 "log: {level: info}\n",
	} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	c, err := configs.Load(configs.Sources{Env: append(gateway, "SYSTEMD_UNIT_PATH="+units), Installed: true})
	if err != nil {
		t.Fatal(err)
	}
	expect(t, findings(t, c), "ok replay.state_file: the directory that systemd makes", "ok ledger.file")
}

func TestDatabaseMisses(t *testing.T) {
	t.Parallel()
	t.Run("publication and slot", func(t *testing.T) {
		t.Parallel()
		got := findings(t, load(t, "DATABASE_URL="+pgtest.DB(t, schemas.CRM), "BRIDGE_SOURCE_POSTGRES_SLOT="+slot(t), "BRIDGE_SOURCE_POSTGRES_CREATE=never"))
		expect(t, got, `fail publication.missing: CREATE PUBLICATION "bridge"`, "fail slot.missing: pg_create_logical_replication_slot")
	})
	t.Run("columns", func(t *testing.T) {
		t.Parallel()
		url := pgtest.DB(t, schemas.CRM, "alter table messages drop column client_id", publish)
		got := findings(t, load(t, "DATABASE_URL="+url, "BRIDGE_SOURCE_POSTGRES_SLOT="+slot(t)))
		expect(t, got, "warn mapping.columns: no column")
	})
	t.Run("the text's column", func(t *testing.T) {
		t.Parallel()
		url := pgtest.DB(t, schemas.CRM, "alter table messages rename column body to words", publish)
		got := findings(t, load(t, "DATABASE_URL="+url, "BRIDGE_SOURCE_POSTGRES_SLOT="+slot(t)))
		expect(t, got, "fail mapping.columns: without its content")
		none(t, got, "warn mapping.columns", "warn mapping.invented")
	})
	t.Run("tables", func(t *testing.T) {
		t.Parallel()
		url := pgtest.DB(t)
		got := findings(t, load(t, "DATABASE_URL="+url, "SUPABASE_JWT_SECRET="+secret+"2", "BRIDGE_SOURCE_POSTGRES_SLOT="+slot(t)))
		expect(t, got, "fail database.tables: has none of the mapping's tables (public.messages, public.conversations")
		for id, f := range got {
			if f.Level == provision.Fail && f.ID != "database.tables" {
				t.Errorf("beside the cause: %s: %+v", id, f)
			}
		}
	})
	t.Run("members", func(t *testing.T) {
		t.Parallel()
		url := pgtest.DB(t, schemas.CRM, publish, "drop table workspace_members")
		got := findings(t, load(t, "DATABASE_URL="+url, "BRIDGE_SOURCE_POSTGRES_SLOT="+slot(t), "SUPABASE_JWT_SECRET="+secret))
		expect(t, got, "fail auth.members: workspace_members")
	})
}

func TestDatabaseUnreachable(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct{ url, want string }{
		"refused": {"postgres://u:topsecret@127.0.0.1:1/db", "fail connect.refused"},
		"socket":  {"host=/nowhere user=u password=topsecret dbname=db", "fail connect.failed"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			expect(t, findings(t, load(t, "DATABASE_URL="+tt.url)), tt.want)
		})
	}
}

// TestADatabaseThatRefusesIsNamed: what is wrong with an address is found under the setting
// that has it; sslmode=prefer, the default, does not make it a matter of TLS.
func TestADatabaseThatRefusesIsNamed(t *testing.T) {
	t.Parallel()
	good := ready(t)
	changed := func(change func(*url.URL)) string {
		u, err := url.Parse(good)
		if err != nil {
			t.Fatal(err)
		}
		q := u.Query()
		q.Del("sslmode")
		u.RawQuery = q.Encode()
		change(u)
		return u.String()
	}
	for id, address := range map[string]string{
		"connect.database": changed(func(u *url.URL) { u.Path = "/nowhere" }),
		"connect.password": changed(func(u *url.URL) { u.User = url.UserPassword("nobody_here", "topsecret") }),
		"connect.refused":  changed(func(u *url.URL) { u.Host = "127.0.0.1:1" }),
		"connect.tls":      changed(func(u *url.URL) { u.RawQuery = "sslmode=require" }),
	} {
		name := slot(t)
		for setting, env := range map[string][]string{
			"source.postgres.url": {"DATABASE_URL=" + address},
			"lookup.url":          {"DATABASE_URL=" + good, "BRIDGE_LOOKUP_URL=" + address},
			"send.outbox.url": {
				"DATABASE_URL=" + good, "BRIDGE_SEND_MODE=outbox", "BRIDGE_SEND_OUTBOX_URL=" + address,
				"BRIDGE_SEND_STATE_FILE=" + filepath.Join(t.TempDir(), "sends"),
			},
		} {
			t.Run(id+"/"+setting, func(t *testing.T) {
				t.Parallel()
				f := findings(t, load(t, append(env, "BRIDGE_SOURCE_POSTGRES_SLOT="+name)...))["fail "+id]
				if f.Object != setting || id != "connect.tls" && !strings.Contains(f.Fix, setting) {
					t.Errorf("%+v", f)
				}
				if setting == "send.outbox.url" && !strings.Contains(f.Meaning, "texts") {
					t.Errorf("what it means is %q", f.Meaning)
				}
			})
		}
	}
}

func TestWalLevel(t *testing.T) {
	t.Parallel()
	c := pgtest.Cluster(t, throwaway.Options{Settings: map[string]string{"wal_level": "replica"}})
	got := findings(t, load(t, "DATABASE_URL="+pgtest.On(t, c, schemas.CRM, publish)))
	expect(t, got, "fail server.wal_level")
}

func TestMappingFile(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "mapping.yaml")
	if err := os.WriteFile(file, []byte("mesage:\n  table: x\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	got := findings(t, load(t, "DATABASE_URL=postgres://127.0.0.1:1/x", "BRIDGE_MAPPING_FILE="+file))
	expect(t, got, "fail mapping.invalid: mapping.yaml:1")
	got = findings(t, load(t, "DATABASE_URL=postgres://127.0.0.1:1/x", "BRIDGE_MAPPING_FILE=/does/not/exist"))
	expect(t, got, "fail mapping.invalid: no such file")
}

func TestProjectKeys(t *testing.T) {
	t.Parallel()
	const db = "DATABASE_URL=postgres://127.0.0.1:1/x"
	keys := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, `{"keys":[]}`) }))
	t.Cleanup(keys.Close)
	expect(t, findings(t, load(t, db, "BRIDGE_AUTH_JWKS_URL="+keys.URL)), "warn auth.jwks: SUPABASE_JWT_SECRET")
	expect(t, findings(t, load(t, db, "BRIDGE_AUTH_JWKS_URL=http://127.0.0.1:1/keys")), "warn auth.jwks: cannot be read")
	expect(t, findings(t, load(t, db, "CHATENGINE_JWT_SECRET=", "BRIDGE_AUTH_JWKS_URL=http://127.0.0.1:1/keys")), "fail auth.jwks: cannot be read")
}

// TestUpstreamRefusesAnOrigin: pages that the bridge admits and ChatEngine does not would show
// nothing, and the bridge would not stand in.
func TestUpstreamRefusesAnOrigin(t *testing.T) {
	t.Parallel()
	var closed atomic.Int64
	engine := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch sid := r.URL.Query().Get("sid"); {
		case sid == "opened" && r.Method == http.MethodPost:
			closed.Add(1)
		case sid != "":
			w.WriteHeader(http.StatusBadRequest)
			fmt.Fprint(w, `{"code":1,"message":"Session ID unknown"}`)
		case r.Header.Get("Origin") == "https://refused.example":
			w.WriteHeader(http.StatusForbidden)
			fmt.Fprint(w, `{"code":4,"message":"Forbidden"}`)
		default:
			fmt.Fprint(w, `0{"sid":"opened"}`)
		}
	}))
	t.Cleanup(engine.Close)
	var refused []string
	for _, f := range check.Run(t.Context(), load(t, "DATABASE_URL=postgres://127.0.0.1:1/x", "CHATENGINE_URL="+engine.URL,
		"BRIDGE_CORS_ORIGINS=https://admitted.example,https://refused.example,https://*.crm.example")) {
		if f.ID == "gateway.origin" {
			refused = append(refused, f.Object)
		}
	}
	if len(refused) != 1 || refused[0] != "https://refused.example" {
		t.Errorf("refused: %v", refused)
	}
	if n := closed.Load(); n != 2 { // that of the search for a loop, and the admitted page's
		t.Errorf("%d sessions were closed", n)
	}
}

func TestUpstream(t *testing.T) {
	t.Parallel()
	page := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/sick" {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
		fmt.Fprint(w, "<html>")
	}))
	t.Cleanup(page.Close)
	const db = "DATABASE_URL=postgres://127.0.0.1:1/x"
	bridge := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Get("sid") == "" {
			fmt.Fprint(w, `0{"sid":"br-0123456789","upgrades":[],"pingInterval":25000}`)
			return
		}
		w.WriteHeader(http.StatusBadRequest)
		fmt.Fprint(w, `{"code":1,"message":"Session ID unknown"}`)
	}))
	t.Cleanup(bridge.Close)
	expect(t, findings(t, load(t, db, "CHATENGINE_URL="+bridge.URL)), "fail gateway.loop: a session there is a bridge's")
	expect(t, findings(t, load(t, db, "CHATENGINE_URL="+bridge.URL, "BRIDGE_GATEWAY_HEALTH_PATH=/healthz")), "fail gateway.loop: a session there is a bridge's")
	own := freeAddress(t)
	_, port, _ := net.SplitHostPort(own)
	expect(t, findings(t, load(t, db, "CHATENGINE_URL=http://localhost:"+port, "BRIDGE_LISTEN=:"+port)), "fail gateway.loop: which listens at :"+port)
	expect(t, findings(t, load(t, db, "CHATENGINE_URL=http://"+own, "BRIDGE_ADMIN_LISTEN="+own)), "fail gateway.loop: which listens at "+own)

	expect(t, findings(t, load(t, db, "CHATENGINE_URL=http://127.0.0.1:1")), "warn gateway.upstream: does not answer")
	expect(t, findings(t, load(t, db, "CHATENGINE_URL="+page.URL)), "warn gateway.upstream: not as a Socket.IO server")
	expect(t, findings(t, load(t, db, "CHATENGINE_URL="+page.URL, "BRIDGE_GATEWAY_HEALTH_PATH=/sick")), "warn gateway.upstream: answers 503")
	expect(t, findings(t, load(t, db, "CHATENGINE_URL="+page.URL, "BRIDGE_GATEWAY_HEALTH_PATH=/ok")), "ok gateway.upstream")
}

func TestListeners(t *testing.T) {
	t.Parallel()
	const db = "DATABASE_URL=postgres://127.0.0.1:1/x"
	bridge := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, `{"status":"ok"}`) }))
	t.Cleanup(bridge.Close)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	other := &http.Server{Handler: http.NotFoundHandler()}
	done := make(chan struct{})
	go func() { defer close(done); _ = other.Serve(ln) }()
	t.Cleanup(func() { _ = other.Close(); <-done })
	got := findings(t, load(t, db, "BRIDGE_LISTEN="+bridge.Listener.Addr().String(), "BRIDGE_ADMIN_LISTEN="+ln.Addr().String()))
	expect(t, got, "ok listen.bridge", "fail listen.taken: admin.listen")
	expect(t, findings(t, load(t, db, "BRIDGE_LISTEN=192.0.2.1:80")), "fail listen.impossible")
}

func TestCertificates(t *testing.T) {
	t.Parallel()
	const db = "DATABASE_URL=postgres://127.0.0.1:1/x"
	for want, until := range map[string]time.Duration{"fail tls.expired": -time.Hour, "warn tls.expires": 24 * time.Hour, "ok tls.files": 60 * 24 * time.Hour} {
		cert, key := certificate(t, time.Now().Add(until))
		expect(t, findings(t, load(t, db, "BRIDGE_TLS_CERT_FILE="+cert, "BRIDGE_TLS_KEY_FILE="+key)), want)
	}
	expect(t, findings(t, load(t, db, "BRIDGE_TLS_CERT_FILE=/nowhere", "BRIDGE_TLS_KEY_FILE=/nowhere")), "fail tls.files: no such file")
}

// certificate makes a self-signed one.
func certificate(t *testing.T, until time.Time) (certFile, keyFile string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: until.Add(-time.Hour), NotAfter: until, DNSNames: []string{"localhost"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	certFile, keyFile = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	for file, block := range map[string]*pem.Block{certFile: {Type: "CERTIFICATE", Bytes: der}, keyFile: {Type: "PRIVATE KEY", Bytes: private}} {
		if err := os.WriteFile(file, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return certFile, keyFile
}

// A project by its address and key alone.
func TestRealtime(t *testing.T) {
	t.Parallel()
	var upgrader websocket.Upgrader
	project := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.URL.Path == "/auth/v1/.well-known/jwks.json":
			fmt.Fprint(w, `{"keys":[]}`)
		case r.URL.Path == "/realtime/v1/websocket" && r.URL.Query().Get("apikey") == "topsecret":
			if c, err := upgrader.Upgrade(w, r, nil); err == nil {
				_ = c.Close()
			}
		case r.URL.Path == "/realtime/v1/websocket":
			w.WriteHeader(http.StatusUnauthorized)
			fmt.Fprint(w, `{"error":"Failed to validate JWT signature"}`)
		case r.Header.Get("apikey") == "ofnorole":
			w.WriteHeader(http.StatusBadRequest)
			fmt.Fprint(w, `{"code":"22023","message":"role \"nobody\" does not exist"}`)
		case r.Header.Get("apikey") != "topsecret":
			w.WriteHeader(http.StatusUnauthorized)
			fmt.Fprint(w, `{"message":"Invalid API key"}`)
		case r.URL.Path == "/rest/v1/contacts":
			w.WriteHeader(http.StatusForbidden)
			fmt.Fprint(w, `{"code":"42501","message":"permission denied for table contacts"}`)
		default:
			fmt.Fprint(w, `[]`)
		}
	}))
	t.Cleanup(project.Close)
	env := []string{"BRIDGE_SOURCE_KIND=realtime", "SUPABASE_URL=" + project.URL, "SUPABASE_SERVICE_ROLE_KEY=topsecret"}
	got := findings(t, load(t, env...))
	expect(t, got, "ok realtime.connect", "ok realtime.table", "fail realtime.table: GRANT SELECT ON public.contacts", "ok auth.members")
	got = findings(t, load(t, append(env, "SUPABASE_SERVICE_ROLE_KEY=topsecret2")...))
	expect(t, got, "fail realtime.connect: Failed to validate JWT signature", "fail realtime.table: 401", "fail auth.members: 401")
	got = findings(t, load(t, append(env, "SUPABASE_SERVICE_ROLE_KEY=ofnorole")...))
	for _, f := range []string{"fail realtime.table", "fail auth.members"} {
		if !strings.Contains(got[f].Fix, "source.realtime.key") {
			t.Errorf("%s: %+v", f, got[f])
		}
	}
	project.Close()
	got = findings(t, load(t, env...))
	expect(t, got, "fail realtime.connect: cannot be reached", "fail realtime.table: cannot be reached")
}

// TestRealtimeReader: what is checked is the reader that is used, SQL where there is a
// database's address, whatever PostgREST would say.
// TestLedgerFile: a path where the ledger cannot be written is told of, and costs no more
// than a warning.
func TestLedgerFile(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	env := []string{"BRIDGE_SOURCE_KIND=realtime", "SUPABASE_URL=http://127.0.0.1:1", "SUPABASE_SERVICE_ROLE_KEY=topsecret"}
	for path, want := range map[string]string{
		dir + "/ledger":         "ok ledger.file",
		dir + "/missing/ledger": "warn ledger.file: a path in a directory that the bridge may write to",
		dir:                     "warn ledger.file: no regular file",
	} {
		expect(t, findings(t, load(t, append(env, "BRIDGE_LEDGER_FILE="+path)...)), want)
	}
	for id := range findings(t, load(t, append(env, "BRIDGE_LEDGER_FILE=none")...)) {
		if strings.Contains(id, "ledger") {
			t.Errorf("%s, although it is turned off", id)
		}
	}
}

func TestRealtimeReader(t *testing.T) {
	t.Parallel()
	var upgrader websocket.Upgrader
	project := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/realtime/v1/websocket" {
			w.WriteHeader(http.StatusNotFound) // an API that is turned off
			return
		}
		if c, err := upgrader.Upgrade(w, r, nil); err == nil {
			_ = c.Close()
		}
	}))
	t.Cleanup(project.Close)
	dsn := pgtest.DB(t, schemas.CRM, "insert into contacts (id, workspace_id, name, phone) values ('00000000-0000-4000-8000-00000000000a', gen_random_uuid(), 'A', '5511987654321')",
		"insert into conversations (workspace_id, contact_id) select workspace_id, id from contacts")
	env := []string{"BRIDGE_SOURCE_KIND=realtime", "SUPABASE_URL=" + project.URL, "SUPABASE_SERVICE_ROLE_KEY=topsecret", "BRIDGE_AUTH_JWKS_URL="}
	got := findings(t, load(t, env...))
	expect(t, got, "fail realtime.table: 404")
	got = findings(t, load(t, append(env, "BRIDGE_LOOKUP_URL="+dsn)...))
	none(t, got, "fail")
	expect(t, got, "ok realtime.table: with SQL")

	// The look-ups' columns are enough for look-ups.
	if err := pgtest.Exec(t.Context(), dsn, "create role check_reader login password 'topsecret'; grant usage on schema public to check_reader",
		"grant select on contacts, messages, workspace_members to check_reader; grant select (id, workspace_id, contact_id, remote_jid, created_at, updated_at) on conversations to check_reader"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = pgtest.Exec(context.Background(), dsn, "drop owned by check_reader", "drop role check_reader")
	})
	u, err := url.Parse(dsn)
	if err != nil {
		t.Fatal(err)
	}
	u.User = url.UserPassword("check_reader", "topsecret")
	c := load(t, append(env, "BRIDGE_LOOKUP_URL="+u.String())...)
	got = findings(t, c)
	expect(t, got, "fail realtime.table: grant select")
	if f := got["fail realtime.table"]; f.Object != "public.conversations" {
		t.Errorf("the finding is of %q", f.Object)
	}

	// Rows that no policy shows the role are missing without an error.
	if err := pgtest.Exec(t.Context(), dsn, "grant select on conversations to check_reader; alter table messages enable row level security"); err != nil {
		t.Fatal(err)
	}
	got = findings(t, c)
	none(t, got, "fail")
	expect(t, got, "warn realtime.policies: BYPASSRLS")
	if f := got["warn realtime.policies"]; f.Object != "public.messages" {
		t.Errorf("the finding is of %q", f.Object)
	}
	// The policy of `setup --role` shows it every row.
	if err := pgtest.Exec(t.Context(), dsn, "create policy all_rows on messages for select to check_reader using (true)"); err != nil {
		t.Fatal(err)
	}
	none(t, findings(t, c), "fail", "warn realtime.policies")
}

func TestConfiguration(t *testing.T) {
	t.Parallel()
	_, err := configs.Load(configs.Sources{Env: []string{"BRIDGE_REPLAY_WINDOW=soon", "DATABASE_URL=mysql://u:topsecret@h/x"}})
	got := check.Configuration(err)
	if len(got) != 2 || got[1].Object != "replay.window" || !strings.Contains(got[1].What, "environment BRIDGE_REPLAY_WINDOW") || got[1].Fix == "" {
		t.Errorf("%+v", got)
	}
	if check.Worst(got) != provision.Fail || check.Worst(nil) != provision.OK {
		t.Error("Worst is wrong")
	}
	if strings.Contains(fmt.Sprint(got), "topsecret") {
		t.Errorf("shows a secret: %v", got)
	}
	_, err = configs.Load(configs.Sources{Env: []string{"BRIDGE_LISTN=:1"}})
	if got := check.Configuration(err); len(got) != 1 || !strings.HasPrefix(got[0].What, "environment BRIDGE_LISTN: ") {
		t.Errorf("%+v", got)
	}
	if other := check.Configuration(context.Canceled); len(other) != 1 || other[0].Level != provision.Fail {
		t.Errorf("%+v", other)
	}
}

// An interrupted check ends.
func TestInterrupted(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if got := check.Run(ctx, load(t, "DATABASE_URL=postgres://127.0.0.1:1/x")); len(got) == 0 || len(got) > 5 {
		t.Errorf("%d findings", len(got))
	}
}

// A key that no index makes unique is a warning with its fix; one that
// is unique in its workspace is not, nor a reference that says so.
func TestKeys(t *testing.T) {
	t.Parallel()
	url := ready(t)
	c := load(t, "DATABASE_URL="+url, "BRIDGE_SOURCE_POSTGRES_SLOT="+slot(t))
	expect(t, findings(t, c), "ok mapping.keys")
	exec := func(sql string) {
		t.Helper()
		if err := pgtest.Exec(t.Context(), url, sql); err != nil {
			t.Fatal(err)
		}
	}
	exec("alter table messages drop constraint messages_pkey cascade; alter table messages add primary key (workspace_id, id)")
	expect(t, findings(t, c), "ok mapping.keys")
	exec("alter table messages drop constraint messages_pkey; create unique index on messages (id) where body is not null")
	if f := findings(t, c)["warn mapping.keys"]; f.Level.String() != "warn" || f.Object != "public.messages" || !strings.Contains(f.Fix, `CREATE UNIQUE INDEX ON "public"."messages" ("workspace_id", "id");`) {
		t.Errorf("messages: %+v", f)
	}
	exec("create unique index on messages (id); alter table contacts drop constraint contacts_pkey cascade; alter table contacts add primary key (workspace_id, id)")
	expect(t, findings(t, c), "ok mapping.keys")
	own := filepath.Join(t.TempDir(), "own.yaml")
	if err := os.WriteFile(own, []byte("references:\n  contact: {workspace: null}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	c = load(t, "DATABASE_URL="+url, "BRIDGE_SOURCE_POSTGRES_SLOT="+slot(t), "BRIDGE_MAPPING_FILE="+own)
	if f := findings(t, c)["warn mapping.keys"]; f.Level.String() != "warn" || f.Object != "public.contacts" || !strings.Contains(f.Fix, "references.contact.workspace") {
		t.Errorf("contacts: %+v", f)
	}
}

// A key of several columns, one of them inside jsonb, is unique by an index on all of
// them.
func TestKeyOfSeveralColumns(t *testing.T) {
	t.Parallel()
	url := ready(t)
	own := filepath.Join(t.TempDir(), "own.yaml")
	if err := os.WriteFile(own, []byte("message:\n  key: [external_id, {column: quoted_message, path: a.id}]\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	c := load(t, "DATABASE_URL="+url, "BRIDGE_SOURCE_POSTGRES_SLOT="+slot(t), "BRIDGE_MAPPING_FILE="+own)
	f := findings(t, c)["warn mapping.keys"]
	const index = `CREATE UNIQUE INDEX ON "public"."messages" ("workspace_id", "external_id", ("quoted_message"->'a'->>'id'));`
	if !strings.Contains(f.What, "workspace_id and external_id and quoted_message->'a'->>'id' name one row") || !strings.Contains(f.Fix, index) {
		t.Errorf("%+v", f)
	}
	if err := pgtest.Exec(t.Context(), url, index); err != nil {
		t.Fatal(err)
	}
	got := findings(t, c)
	expect(t, got, "ok mapping.keys", "ok mapping.columns", "ok mapping.invented")
}

// Where the configured mapping does not fit the tables, the preset that does is named,
// and with what it prints the columns are there.
func TestFittingPreset(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		schema, move, configured, want string
	}{
		"the preset fits":         {schemas.CRM, "", "crm", ""},
		"a column less":           {schemas.CRM, "alter table messages drop column mime_type", "crm", ""},
		"another's tables":        {schemas.ChatEngine, "", "crm", "mapping.preset: chatengine"},
		"the CRM's tables":        {schemas.CRM, "", "chatengine", "mapping.preset: crm"},
		"Chatwoot":                {schemas.Chatwoot, "", "crm", "mapping.preset: chatwoot"},
		"Evolution API":           {schemas.Evolution, "", "chatengine", "mapping.preset: evolution"},
		"in another schema":       {schemas.Chatwoot, "alter schema public rename to support; create schema public", "crm", "mapping.preset: chatwoot, and a mapping.file that says: "},
		"its own, in another one": {schemas.CRM, "alter schema public rename to app; create schema public", "crm", "mapping.preset: crm, and a mapping.file that says: "},
		"nobody's":                {"create table public.messages (a int); create table public.conversations (b int)", "", "crm", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			url := pgtest.DB(t, c.schema, c.move)
			settings := []string{"DATABASE_URL=" + url, "BRIDGE_SOURCE_POSTGRES_SLOT=" + slot(t), "BRIDGE_MAPPING_PRESET=" + c.configured}
			before := findings(t, load(t, settings...))
			f, refused := before["fail mapping.preset"]
			none(t, before, "warn mapping.preset") // each lacks what no message can be without
			named := refused
			for id, other := range before {
				// The cause, and nothing that follows from it.
				if refused && !strings.HasPrefix(id, "ok ") && !strings.Contains(id, " server.") && !strings.Contains(id, " role.superuser") && other.ID != f.ID {
					t.Errorf("beside the cause: %+v", other)
				}
			}
			if named != (c.want != "") || !strings.HasPrefix(f.Fix, c.want) {
				t.Fatalf("want %q: %+v", c.want, f)
			}
			if !named {
				return
			}
			preset, file, _ := strings.Cut(strings.TrimPrefix(f.Fix, "mapping.preset: "), ", and a mapping.file that says: ")
			settings[2] = "BRIDGE_MAPPING_PRESET=" + preset
			if file != "" {
				path := filepath.Join(t.TempDir(), "mapping.yaml")
				if err := os.WriteFile(path, []byte(file), 0o600); err != nil {
					t.Fatal(err)
				}
				settings = append(settings, "BRIDGE_MAPPING_FILE="+path)
			}
			got := findings(t, load(t, settings...))
			expect(t, got, "ok mapping.columns", "ok mapping.keys")
			none(t, got, "warn mapping.preset", "fail mapping.preset")
		})
	}
}

// TestTypoInMappingFile: a fault of one's own mapping file is told as that.
func TestTypoInMappingFile(t *testing.T) {
	t.Parallel()
	url := pgtest.DB(t, schemas.CRM)
	file := filepath.Join(t.TempDir(), "mapping.yaml")
	for _, text := range []string{"message: {key: idd}\n", "message: {table: public.mesages}\n"} {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		got := findings(t, load(t, "DATABASE_URL="+url, "BRIDGE_SOURCE_POSTGRES_SLOT="+slot(t), "BRIDGE_MAPPING_FILE="+file))
		expect(t, got, "fail mapping.columns")
		none(t, got, "warn mapping.preset", "fail mapping.preset")
	}
}

// Postgres does not send generated columns with changes, unless it is told to, which
// it can be from 18 on.
func TestGeneratedColumns(t *testing.T) {
	t.Parallel()
	own := filepath.Join(t.TempDir(), "own.yaml")
	if err := os.WriteFile(own, []byte("message:\n  where: {column: kind, in: [note, null]}\n  members:\n    content: [shown, body, {const: ''}]\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	columns := "alter table messages add column shown text generated always as (upper(body)) stored, add column kind text, add column unread text generated always as (body) stored"
	for _, v := range append(pgtest.Versions(t, "18"), "") {
		t.Run("postgres "+v, func(t *testing.T) {
			t.Parallel()
			url, wanted := "", `ALTER TABLE "public"."messages" ALTER COLUMN "shown" DROP EXPRESSION;`
			if v == "" {
				url = pgtest.DB(t, schemas.CRM, publish, columns)
			} else {
				c := pgtest.Cluster(t, throwaway.Options{Bin: pgtest.Version(t, v), TCP: true})
				url = pgtest.On(t, c, schemas.CRM, publish, columns)
			}
			if v == "18" {
				wanted = `ALTER PUBLICATION "bridge" SET (publish_generated_columns = stored);`
			}
			c := load(t, "DATABASE_URL="+url, "BRIDGE_SOURCE_POSTGRES_SLOT="+slot(t), "BRIDGE_MAPPING_FILE="+own)
			f := findings(t, c)["warn mapping.generated"]
			if !strings.Contains(f.What, "public.messages.shown is generated") || !strings.Contains(f.Meaning, "message.content") || !strings.HasSuffix(f.Fix, wanted) {
				t.Errorf("%+v", f)
			}
			if err := pgtest.Exec(t.Context(), url, wanted, "alter table messages drop column kind, add column kind text generated always as (type) stored"); err != nil {
				t.Fatal(err)
			}
			got := findings(t, c)
			if _, still := got["warn mapping.generated"]; still {
				t.Errorf("still: %+v", got["warn mapping.generated"])
			}
			if v != "18" {
				expect(t, got, "fail mapping.generated: public.messages.kind is generated")
			} else if f, ok := got["fail mapping.generated"]; ok {
				t.Errorf("it is published: %+v", f)
			}
		})
	}
}

// TestLookupsAsTheRole: the questions are asked over the address, and as the role, of
// the look-ups. One without a right fails here, and not in the daemon.
func TestLookupsAsTheRole(t *testing.T) {
	t.Parallel()
	dsn := ready(t)
	if err := pgtest.Exec(t.Context(), dsn, "create role check_lookups login password 'topsecret'; grant usage on schema public to check_lookups",
		"grant select on contacts, conversations to check_lookups; grant select (id, workspace_id, conversation_id, created_at, status) on messages to check_lookups"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = pgtest.Exec(context.Background(), dsn, "drop owned by check_lookups", "drop role check_lookups")
	})
	u, err := url.Parse(dsn)
	if err != nil {
		t.Fatal(err)
	}
	u.User = url.UserPassword("check_lookups", "topsecret")
	c := load(t, "DATABASE_URL="+dsn, "BRIDGE_SOURCE_POSTGRES_SLOT="+slot(t), "BRIDGE_LOOKUP_URL="+u.String())
	got := findings(t, c)
	expect(t, got, "warn lookup.columns: body", "ok lookup.questions", "ok mapping.invented")
	if err := pgtest.Exec(t.Context(), dsn, got["warn lookup.columns"].Fix, "revoke select on contacts from check_lookups"); err != nil {
		t.Fatal(err)
	}
	got = findings(t, c)
	expect(t, got, "fail lookup.questions: permission denied for table contacts")
	if _, warned := got["warn lookup.columns"]; warned {
		t.Errorf("still warned of columns: %+v", got)
	}
	for _, f := range check.Run(t.Context(), c) { // the first of them has the GRANTs
		if f.ID == "lookup.questions" {
			if err := pgtest.Exec(t.Context(), dsn, f.Fix); err != nil {
				t.Fatal(err)
			}
		}
	}
	got = findings(t, c)
	expect(t, got, "ok lookup.questions", "ok mapping.invented")
}

// TestInventedMessage: a mapping that makes nothing of the table's rows is found
// without a row, and none is inserted.
func TestInventedMessage(t *testing.T) {
	t.Parallel()
	dsn := ready(t)
	if err := pgtest.Exec(t.Context(), dsn, "create sequence written; create function note() returns trigger language plpgsql as $$ begin perform nextval('written'); return new; end $$",
		"create trigger note before insert on messages for each row execute function note()"); err != nil {
		t.Fatal(err)
	}
	expect(t, findings(t, load(t, "DATABASE_URL="+dsn, "BRIDGE_SOURCE_POSTGRES_SLOT="+slot(t))), "ok mapping.invented: makes its events")
	conn, err := pgx.Connect(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	var written bool
	if err := conn.QueryRow(t.Context(), "select is_called from written").Scan(&written); err != nil || written {
		t.Errorf("the check wrote a row: %v, %v", written, err)
	}
}

// TestSlowLookups: a database that does not answer in time is said to be slow.
func TestSlowLookups(t *testing.T) {
	t.Parallel()
	dsn := ready(t)
	// Looking at contacts takes a while, for the row that is there.
	if err := pgtest.Exec(t.Context(), dsn, "create function slow() returns bool language plpgsql as $$ begin perform pg_sleep(2); return true; end $$",
		"create role check_slow login password 'topsecret'; grant usage on schema public to check_slow; grant select on all tables in schema public to check_slow",
		"alter table contacts enable row level security; create policy slow on contacts to check_slow using (slow())",
		"insert into contacts (id, workspace_id, name, phone) values ('00000000-0000-4000-8000-00000000000a', gen_random_uuid(), 'A', '5511987654321')",
		"insert into conversations (workspace_id, contact_id) select workspace_id, id from contacts"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = pgtest.Exec(context.Background(), dsn, "drop owned by check_slow", "drop role check_slow")
	})
	u, err := url.Parse(dsn)
	if err != nil {
		t.Fatal(err)
	}
	u.User = url.UserPassword("check_slow", "topsecret")
	c := load(t, "DATABASE_URL="+dsn, "BRIDGE_SOURCE_POSTGRES_SLOT="+slot(t), "BRIDGE_LOOKUP_URL="+u.String(), "BRIDGE_LOOKUP_TIMEOUT=200ms")
	expect(t, findings(t, c), "ok lookup.questions", "warn mapping.invented: lookup.timeout (200ms)")
}

// TestTimesWithoutUnit: a time from a column of numbers is refused before it is
// guessed.
func TestTimesWithoutUnit(t *testing.T) {
	t.Parallel()
	url := ready(t)
	if err := pgtest.Exec(t.Context(), url, "alter table messages alter column created_at drop default, alter column created_at type bigint using extract(epoch from created_at)"); err != nil {
		t.Fatal(err)
	}
	c := load(t, "DATABASE_URL="+url, "BRIDGE_SOURCE_POSTGRES_SLOT="+slot(t))
	f := findings(t, c)["fail mapping.columns"]
	if f.Level.String() != "fail" || !strings.Contains(f.What, "unit") {
		t.Errorf("found %+v, want a failure that names unit", f)
	}
}

// freeAddress is an address at which nothing listens.
func freeAddress(t *testing.T) string {
	t.Helper()
	addr, err := ports.Free()
	if err != nil {
		t.Fatal(err)
	}
	return addr
}

// TestSpoolThatCannotBe: webhooks could not be kept.
func TestSpoolThatCannotBe(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	got := findings(t, load(t, "DATABASE_URL=postgres://127.0.0.1:1/nowhere", "CHATENGINE_URL=http://127.0.0.1:1", "BRIDGE_SPOOL_DIR="+file+"/spool"))
	expect(t, got, "warn spool.dir: a directory that the bridge may write to")
}
