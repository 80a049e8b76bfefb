package rest_test

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"chatbridge/bridge/access"
	"chatbridge/bridge/auth"
	"chatbridge/bridge/far"
	"chatbridge/bridge/rest"
	"chatbridge/bridge/send"
	"chatbridge/internal/throwaway/pgtest"
	"chatbridge/mapping"
	"chatbridge/mapping/lookup"

	"github.com/golang-jwt/jwt/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

const (
	secret   = "a-secret-of-the-tests"
	supabase = "a-secret-of-the-project"
	page     = "https://crm.example"
)

func id(s string) string { return "00000000-0000-4000-8000-" + strings.Repeat("0", 12-len(s)) + s }

// crm has two workspaces, f1 and f2. A row of f2 names f1's conversation c1.
const crm = `
create function u(t text) returns uuid language sql immutable as
  $$ select ('00000000-0000-4000-8000-' || lpad(t, 12, '0'))::uuid $$;
alter table conversations disable trigger all;
insert into contacts (id, workspace_id, name, phone) values (u('a1'), u('f1'), 'Ana', '5511987654321'), (u('a2'), u('f2'), 'Bia', '5511987654322');
insert into conversations (id, workspace_id, contact_id, updated_at) values
  (u('c1'), u('f1'), u('a1'), '2026-01-01'), (u('c2'), u('f1'), u('a1'), '2026-03-01'), (u('c9'), u('f2'), u('a2'), '2026-03-01');
insert into messages (id, conversation_id, workspace_id, body, status, created_at, external_id, is_outgoing, sender_jid) values
  (u('b1'), u('c1'), u('f1'), 'hello', 'READ', '2026-01-30', 'WA1', false, '5511987654321@s.whatsapp.net'),
  (u('b2'), u('c1'), u('f1'), 'one', 'DELIVERY_ACK', '2026-02-02 00:00:00.123456', null, true, null),
  (u('b3'), u('c1'), u('f1'), 'two', 'sent', '2026-02-03', null, true, null), (u('b4'), u('c2'), u('f1'), 'elsewhere', 'sent', '2026-02-04', null, true, null),
  (u('b8'), u('c1'), u('f2'), 'of another workspace', 'read', '2026-02-03', null, true, null), (u('b9'), u('c9'), u('f2'), 'theirs', 'read', '2026-02-03', null, true, null);
insert into messages (id, conversation_id, workspace_id, body, type, media_url, mime_type, size_bytes, created_at, reply_to_id) values
  (u('b5'), u('c2'), u('f1'), '', 'ptt', 'https://media.example/a.ogg', 'audio/ogg', 1234, '2026-02-05', u('b4'));
insert into workspace_members (user_id, workspace_id, role) values (u('d1'), u('f1'), 'agent'), (u('d2'), u('f2'), 'agent');
`

// world is a Handler that is served, over a database.
type world struct {
	*rest.Handler
	t    testing.TB
	url  string
	dsn  string
	pool *pgxpool.Pool
	log  *logbook
	// tables is what reads the database.
	tables *far.Reader
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

func (l *logbook) count(s string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Count(l.text.String(), s)
}

// serve serves a Handler over a database with that SQL, by a preset.
func serve(t testing.TB, preset string, change func(*rest.Options), sql ...string) *world {
	t.Helper()
	w := &world{t: t, dsn: pgtest.DB(t, sql...), log: new(logbook)}
	spec, err := mapping.Load(preset, "")
	if err != nil {
		t.Fatal(err)
	}
	if w.pool, err = lookup.NewPool(w.dsn, lookup.PoolOptions{MaxConns: 4}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.pool.Close)
	a, err := auth.New(auth.Options{
		ChatEngineSecrets: []string{secret}, SupabaseSecrets: []string{supabase},
		Members: auth.NewSQLMembers(w.pool, auth.MembersTable{Table: "workspace_members", UserColumn: "user_id", WorkspaceColumn: "workspace_id"}),
	})
	if err != nil {
		t.Fatal(err)
	}
	origins, err := access.NewOrigins([]string{page})
	if err != nil {
		t.Fatal(err)
	}
	w.tables = far.New(w.pool, spec, far.DefaultOptions())
	all := func(*http.Request) bool { return true }
	o := rest.Options{
		Tables: w.tables, Auth: a, Sender: send.New(send.Options{}),
		AdmitAddress: all, AdmitRequest: all, AdmitOrigin: func(r *http.Request) bool {
			return r.Header.Get("Origin") == "" || origins.Allow(r.Header.Get("Origin"))
		},
		WriteTimeout: 10 * time.Second, Logger: slog.New(slog.NewTextHandler(w.log, nil)),
	}
	if change != nil {
		change(&o)
	}
	w.Handler = rest.New(o)
	server := httptest.NewServer(w)
	t.Cleanup(server.Close)
	w.url = server.URL
	return w
}

// token is ChatEngine's, of a workspace and a user.
func token(t testing.TB, workspace, user string) string {
	t.Helper()
	text, err := auth.Sign(secret, workspace, user, "", "", time.Now(), time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// session is a Supabase session's token.
func session(t testing.TB, user string, expires time.Time) string {
	t.Helper()
	text, err := jwt.NewWithClaims(jwt.SigningMethodHS256, jwt.MapClaims{"sub": user, "role": "authenticated", "exp": expires.Unix()}).SignedString([]byte(supabase))
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// ask sends a request; header are names and values.
func (w *world) ask(method, target, body string, header ...string) (*http.Response, string) {
	w.t.Helper()
	r, err := http.NewRequestWithContext(w.t.Context(), method, w.url+target, strings.NewReader(body))
	if err != nil {
		w.t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		w.t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		w.t.Fatal(err)
	}
	return res, string(text)
}

// await waits for what is counted: requests are when their answers have been written.
func (w *world) await(ok func(rest.Stats) bool) {
	w.t.Helper()
	deadline := time.Now().Add(20 * time.Second)
	for !ok(w.Stats()) {
		if time.Now().After(deadline) {
			w.t.Fatalf("counted %+v", w.Stats())
		}
		time.Sleep(5 * time.Millisecond) // polls what the server has yet to count
	}
}

// get is ask for a GET with a token.
func (w *world) get(target, token string, header ...string) (*http.Response, string) {
	w.t.Helper()
	return w.ask(http.MethodGet, target, "", append([]string{"Authorization", "Bearer " + token}, header...)...)
}

// ids are those in an answer, by their last digits.
func ids(t testing.TB, body string) string {
	t.Helper()
	var list []struct{ ID string }
	if err := json.Unmarshal([]byte(body), &list); err != nil {
		t.Fatalf("%s: %v", body, err)
	}
	var out []string
	for _, m := range list {
		out = append(out, strings.TrimLeft(strings.TrimPrefix(m.ID, "00000000-0000-4000-8000-"), "0"))
	}
	return strings.Join(out, " ")
}

// senderFunc sends by a function.
type senderFunc func(send.Request) (send.Result, error)

func (f senderFunc) Send(_ context.Context, r send.Request) (send.Result, error) { return f(r) }
