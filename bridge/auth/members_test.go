package auth_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"chatbridge/bridge/auth"
	"chatbridge/internal/schemas"
	"chatbridge/internal/throwaway/pgtest"

	"github.com/jackc/pgx/v5/pgxpool"
)

var standard = auth.MembersTable{Table: "workspace_members", UserColumn: "user_id", WorkspaceColumn: "workspace_id"}

func pool(t *testing.T, sql ...string) *pgxpool.Pool {
	t.Helper()
	db, err := pgxpool.New(t.Context(), pgtest.DB(t, sql...))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(db.Close)
	return db
}

// Against the CRM's own table (uuid columns), and one of texts in a schema of
// its own with names that need quotes.
func TestSQLMembers(t *testing.T) {
	t.Parallel()
	db := pool(t, schemas.CRM,
		`insert into workspace_members (user_id, workspace_id, role) values ('`+alice+`', '`+acme+`', 'agent')`,
		`create schema app`,
		`create table app."The Members" ("user" text, "work space" text)`,
		`insert into app."The Members" values ('evo-1', 'ws-1'), ('o''brien', '5')`)
	text := auth.NewSQLMembers(db, auth.MembersTable{Table: `app.The Members`, UserColumn: "user", WorkspaceColumn: "work space"})
	uuid := auth.NewSQLMembers(db, standard)
	for name, tt := range map[string]struct {
		m               *auth.SQLMembers
		user, workspace string
		want            string
	}{
		"member":                 {uuid, alice, acme, acme},
		"in upper case":          {uuid, strings.ToUpper(alice), strings.ToUpper(acme), acme},
		"another workspace":      {uuid, alice, other, ""},
		"another user":           {uuid, other, acme, ""},
		"user is no uuid":        {uuid, "alice", acme, ""},
		"workspace is no uuid":   {uuid, alice, "acme", ""},
		"SQL in the workspace":   {uuid, alice, "' or '1'='1", ""},
		"texts":                  {text, "evo-1", "ws-1", "ws-1"},
		"a quote":                {text, "o'brien", "5", "5"},
		"texts keep their case":  {text, "evo-1", "WS-1", ""},
		"a pattern is no wild":   {text, "evo-1", "ws-%", ""},
		"SQL in the user, text":  {text, "' or true --", "ws-1", ""},
		"empty is nobody, texts": {text, "", "", ""},
	} {
		got, err := tt.m.Find(t.Context(), tt.user, tt.workspace)
		if got != tt.want || err != nil {
			t.Errorf("%s: %q, %v, want %q", name, got, err, tt.want)
		}
	}
	// No table, no rights, no database: no answer, which is not a no.
	if _, err := auth.NewSQLMembers(db, auth.MembersTable{Table: "nowhere", UserColumn: "a", WorkspaceColumn: "b"}).Find(t.Context(), alice, acme); err == nil {
		t.Error("a table that does not exist is no error")
	}
	db.Close()
	if _, err := uuid.Find(t.Context(), alice, acme); err == nil {
		t.Error("a closed pool is no error")
	}
}

// What PostgREST is asked, and how its answers are read.
func TestRESTMembers(t *testing.T) {
	t.Parallel()
	type answer struct {
		status int
		body   string
	}
	var mu sync.Mutex
	var next answer
	var got *http.Request
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		got = r
		if next.status == http.StatusFound {
			http.Redirect(w, r, "http://127.0.0.1:1/stolen", next.status)
			return
		}
		w.WriteHeader(next.status)
		_, _ = w.Write([]byte(next.body))
	}))
	defer server.Close()
	key := "service-key"
	m := auth.NewRESTMembers(server.Client(), server.URL+"/", func() string { return key }, standard)
	for name, tt := range map[string]struct {
		answer
		want string
		fail bool
	}{
		"member":       {answer{200, `[{"workspace_id":"` + acme + `"}]`}, acme, false},
		"a number":     {answer{200, `[{"workspace_id":12345678901234567}]`}, "12345678901234567", false},
		"nobody":       {answer{200, `[]`}, "", false},
		"not a uuid":   {answer{400, `{"code":"22P02","message":"invalid input syntax for type uuid"}`}, "", false},
		"no rights":    {answer{401, `{"code":"42501","message":"permission denied for table workspace_members"}`}, "", true},
		"no table":     {answer{404, `{"code":"PGRST205","message":"Could not find the table"}`}, "", true},
		"gateway":      {answer{502, `<html>`}, "", true},
		"no rows":      {answer{200, `{"error":1}`}, "", true},
		"null":         {answer{200, `[{"workspace_id":null}]`}, "", true},
		"redirect":     {answer{302, ``}, "", true},
		"22P02 as 500": {answer{500, `{"code":"22P02"}`}, "", true},
	} {
		mu.Lock()
		next = tt.answer
		mu.Unlock()
		ws, err := m.Find(t.Context(), alice, acme)
		if ws != tt.want || (err != nil) != tt.fail {
			t.Errorf("%s: %q, %v", name, ws, err)
		}
		if err != nil && (strings.Contains(err.Error(), alice) || strings.Contains(err.Error(), "service-key")) {
			t.Errorf("%s: the error shows what it should not: %v", name, err)
		}
	}
	q := got.URL.Query()
	if got.URL.Path != "/rest/v1/workspace_members" || q.Get("user_id") != "eq."+alice || q.Get("workspace_id") != "eq."+acme || q.Get("select") != "workspace_id" || q.Get("limit") != "1" {
		t.Errorf("asked %s", got.URL)
	}
	if got.Header.Get("apikey") != "service-key" || got.Header.Get("Authorization") != "Bearer service-key" || got.Header.Get("Accept-Profile") != "" {
		t.Errorf("headers %v", got.Header)
	}
	// A new key is no JWT; another schema is a header.
	key, next = "sb_secret_x", answer{200, "[]"}
	if _, err := m.Find(t.Context(), alice, acme); err != nil || got.Header.Get("apikey") != key {
		t.Errorf("after the key was replaced: %v, headers %v", err, got.Header)
	}
	if _, err := auth.NewRESTMembers(server.Client(), server.URL, func() string { return key }, auth.MembersTable{Table: "app.members", UserColumn: "u", WorkspaceColumn: "w"}).Find(t.Context(), "a&b=c", "x,y"); err != nil {
		t.Fatal(err)
	}
	if got.Header.Get("Authorization") != "" || got.Header.Get("Accept-Profile") != "app" || got.URL.Path != "/rest/v1/members" || got.URL.Query().Get("u") != "eq.a&b=c" {
		t.Errorf("asked %s with %v", got.URL, got.Header)
	}
	server.Close()
	if _, err := m.Find(t.Context(), alice, acme); err == nil || strings.Contains(err.Error(), alice) {
		t.Errorf("server away: %v", err)
	}
}

// Answers are remembered both ways, for their time and no longer; failures
// are not.
func TestMembershipIsRemembered(t *testing.T) {
	t.Parallel()
	clock, m := newClock(), &members{}
	a := newAuth(t, auth.Options{SupabaseSecrets: []string{projectSecret}, Members: m, MembersTTL: time.Minute, Now: clock.now})
	token := hs256(t, projectSecret, sessionClaims())
	expect := func(workspace, want string, asked int64) {
		t.Helper()
		if _, err := authenticate(t, a, token, workspace); code(t, err) != want || m.asked.Load() != asked {
			t.Errorf("%v after %d questions; want %q after %d", err, m.asked.Load(), want, asked)
		}
	}
	expect(acme, "", 1)
	expect(acme, "", 1)
	expect(other, auth.CodeNotMember, 2)
	expect(other, auth.CodeNotMember, 2)
	m.fail.Store(true)
	expect(acme, "", 2) // remembered still
	clock.forward(time.Minute)
	expect(acme, "unavailable", 3) // no answer is never a yes
	expect(acme, "unavailable", 4) // nor remembered
	m.fail.Store(false)
	expect(acme, "", 5)
	want := auth.MemberStats{Cached: 3, Asked: 5, Failed: 2, Entries: 2}
	if s := a.Stats().Members; s != want {
		t.Errorf("stats %+v, want %+v", s, want)
	}
}

func TestMembershipNotRemembered(t *testing.T) {
	t.Parallel()
	m := &members{}
	a := newAuth(t, auth.Options{SupabaseSecrets: []string{projectSecret}, Members: m})
	for range 3 {
		if _, err := authenticate(t, a, hs256(t, projectSecret, sessionClaims()), acme); err != nil {
			t.Fatal(err)
		}
	}
	if n := m.asked.Load(); n != 3 {
		t.Errorf("asked %d times, want 3", n)
	}
}

// A thousand sockets of one user at once are one question.
func TestOneQuestionForMany(t *testing.T) {
	t.Parallel()
	m := &members{gate: make(chan struct{})}
	a := newAuth(t, auth.Options{SupabaseSecrets: []string{projectSecret}, Members: m, MembersTTL: time.Minute})
	token := hs256(t, projectSecret, sessionClaims())
	var wg sync.WaitGroup
	for range 200 {
		wg.Go(func() {
			if _, err := authenticate(t, a, token, acme); err != nil {
				t.Error(err)
			}
		})
	}
	close(m.gate)
	wg.Wait()
	if s := a.Stats(); s.Members.Asked != 1 || s.Supabase != 200 {
		t.Errorf("stats %+v", s)
	}
}

// A whole session token against the real table.
func TestSessionAgainstDatabase(t *testing.T) {
	t.Parallel()
	db := pool(t, schemas.CRM, `insert into workspace_members (user_id, workspace_id, role) values ('`+alice+`', '`+acme+`', 'agent')`)
	a := newAuth(t, auth.Options{SupabaseSecrets: []string{projectSecret}, Members: auth.NewSQLMembers(db, standard)})
	token := hs256(t, projectSecret, sessionClaims())
	p, err := authenticate(t, a, token, strings.ToUpper(acme))
	if err != nil || p.Workspace != acme {
		t.Errorf("%+v, %v: want the workspace as the database writes it", p, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := a.Authenticate(ctx, auth.Credentials{Token: token, Workspace: acme}); err != nil && code(t, err) != "unavailable" {
		t.Error(err)
	}
	db.Close()
	if _, err := authenticate(t, a, token, acme); code(t, err) != "unavailable" {
		t.Errorf("no database: %v", err)
	}
}

func FuzzAuthenticate(f *testing.F) {
	f.Add(raw2("eyJhbGciOiJIUzI1NiJ9", "e30", "x"), acme)
	f.Add("a.b.c", "")
	f.Add(raw2("eyJhbGciOiJub25lIn0", "eyJ3b3Jrc3BhY2VfaWQiOiJ4In0", ""), "x")
	f.Add(raw2("eyJhbGciOiJIUzI1NiIsImtpZCI6bnVsbH0", "W10", "AA"), "x")
	a, err := auth.New(auth.Options{ChatEngineSecrets: []string{chatSecret}, SupabaseSecrets: []string{projectSecret}, Members: &members{}, Now: newClock().now})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, token, workspace string) {
		if p, err := a.Authenticate(t.Context(), auth.Credentials{Token: token, Workspace: workspace}); err == nil {
			t.Errorf("accepted as %+v", p)
		} else if _, is := err.(*auth.Refusal); !is {
			t.Errorf("not a refusal: %v", err)
		}
	})
}

func raw2(parts ...string) string { return strings.Join(parts, ".") }
