package readback_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"chatbridge/internal/postgrestdouble"
	"chatbridge/internal/realtimedouble"
	"chatbridge/internal/throwaway/pgtest"
	"chatbridge/source/readback"
)

const schema = `
create table single (
	id text primary key, created_at timestamptz, updated_at timestamptz, status text,
	n bigint, price numeric(20,3), ok boolean, tags text[], doc jsonb, raw bytea, d date, "odd name" varchar(9)
);
create table pair (a int, b text, at timestamptz default now(), primary key (a, b));
create table keyless (at timestamptz);
create schema other;
create table other.things (id uuid primary key, created_at timestamp);
grant usage on schema other to service_role;
grant select on all tables in schema other to service_role;
create table secret (id int primary key, created_at timestamptz);
revoke all on secret from service_role;
alter database %s set timezone to 'America/Sao_Paulo';
`

type reader interface {
	Describe(ctx context.Context, t readback.Table) (readback.Shape, error)
	Scan(ctx context.Context, q readback.ScanRequest) (readback.Page, error)
	Fetch(ctx context.Context, t readback.Table, keys [][]string) ([]readback.Row, error)
}

var secret = []byte("secret of the test")

// both runs a test with either reader on the same database.
func both(t *testing.T, test func(t *testing.T, r reader, db *pgx.Conn)) {
	t.Helper()
	dsn := pgtest.DB(t, realtimedouble.Roles)
	config, err := pgx.ParseConfig(dsn)
	if err != nil {
		t.Fatal(err)
	}
	if err := pgtest.Exec(t.Context(), dsn, fmt.Sprintf(schema, config.Database)); err != nil {
		t.Fatal(err)
	}
	db, err := pgx.Connect(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close(context.WithoutCancel(t.Context())) })
	t.Run("PostgREST", func(t *testing.T) {
		srv := postgrestdouble.New(postgrestdouble.Options{Database: dsn, Secret: secret})
		t.Cleanup(srv.Close)
		test(t, postgrest(t, srv, serviceKey(t)), db)
	})
	t.Run("SQL", func(t *testing.T) {
		r, err := readback.NewSQL(dsn, 0)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = r.Close() })
		test(t, r, db)
	})
}

func serviceKey(t *testing.T) string {
	t.Helper()
	return keyOf(t, "service_role")
}

func keyOf(t *testing.T, role string) string {
	t.Helper()
	key, err := jwt.NewWithClaims(jwt.SigningMethodHS256, jwt.MapClaims{"role": role, "exp": time.Now().Add(time.Hour).Unix()}).SignedString(secret)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func postgrest(t *testing.T, h http.Handler, key string) *readback.PostgREST {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	r, err := readback.NewPostgREST(readback.PostgRESTOptions{
		URL: s.URL, Key: func(context.Context) (string, error) { return key, nil }, Rate: 1000, Burst: 1000,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = r.Close() })
	return r
}

var single = readback.Table{Schema: "public", Name: "single", Key: []string{"id"}, Created: "created_at", Updated: "updated_at", Watch: []string{"status"}}

func TestDescribe(t *testing.T) {
	t.Parallel()
	both(t, func(t *testing.T, r reader, _ *pgx.Conn) {
		shape, err := r.Describe(t.Context(), single)
		if err != nil {
			t.Fatal(err)
		}
		if d := time.Since(shape.Time); d < -2*time.Second || d > time.Minute || shape.Filtered {
			t.Errorf("the server's time is %s off; filtered: %t", d, shape.Filtered)
		}
		var got []string
		for _, c := range shape.Columns {
			got = append(got, fmt.Sprint(c.Name, ":", c.Type, ":", c.Key))
		}
		want := []string{
			"id:text:true", "created_at:timestamptz:false", "updated_at:timestamptz:false", "status:text:false",
			"n:int8:false", "price:numeric:false", "ok:bool:false", "tags:_text:false", "doc:jsonb:false",
			"raw:bytea:false", "d:date:false", "odd name:varchar:false",
		}
		if !cmp.Equal(got, want) {
			t.Error(cmp.Diff(want, got))
		}
		shape, err = r.Describe(t.Context(), readback.Table{Schema: "public", Name: "pair"})
		if err != nil || !slices.Equal(shape.Key(), []string{"a", "b"}) {
			t.Errorf("key of two columns: %v, %v", shape.Key(), err)
		}
		var e *readback.Error
		if _, err = r.Describe(t.Context(), readback.Table{Schema: "public", Name: "nosuch"}); !errors.As(err, &e) || !e.Permanent || e.Hint == "" {
			t.Errorf("no such table: %v", err)
		}
	})
}

// TestScanPages walks over keys that need quoting everywhere, in small pages.
func TestScanPages(t *testing.T) {
	t.Parallel()
	both(t, func(t *testing.T, r reader, db *pgx.Conn) {
		if _, err := db.Exec(t.Context(), `delete from single`); err != nil {
			t.Fatal(err)
		}
		now := time.Now().UTC().Truncate(time.Second)
		want := []string{"a,b", `q"uote`, "(paren)", "per%cent", "dot.dot", "5511999@s.whatsapp.net", `back\slash`, "ünï", "plus+and&", "null", ""}
		for i, id := range want {
			_, err := db.Exec(t.Context(), `insert into single (id, created_at, updated_at, status) values ($1, $2, $3, 'sent')`,
				id, now.Add(-time.Duration(i)*time.Second), nil)
			if err != nil {
				t.Fatal(err)
			}
		}
		// Too old, but updated; too old; no times at all.
		for id, times := range map[string][2]any{
			"edited": {now.Add(-time.Hour), now}, "old": {now.Add(-time.Hour), now.Add(-time.Hour)}, "timeless": {nil, nil},
		} {
			if _, err := db.Exec(t.Context(), `insert into single (id, created_at, updated_at) values ($1, $2, $3)`, id, times[0], times[1]); err != nil {
				t.Fatal(err)
			}
		}
		want = append(want, "edited")
		var got []string
		by := single.Times()
		q := readback.ScanRequest{Table: single, By: by[0], Since: now.Add(-time.Minute), Limit: 2}
		for {
			page, err := r.Scan(t.Context(), q)
			if err != nil {
				t.Fatal(err)
			}
			if len(page.Rows) == 0 {
				if by = by[1:]; len(by) == 0 {
					break
				}
				q.By, q.After = by[0], nil
				continue
			}
			if d := time.Since(page.Time); d < -2*time.Second || d > time.Minute {
				t.Errorf("the server's time is %s off", d)
			}
			for _, row := range page.Rows {
				key, ok := single.KeyOf(row)
				if !ok || len(row) != 4 {
					t.Fatalf("row %v", row)
				}
				got = append(got, key[0])
				if q.After, ok = single.Cursor(q.By, row); !ok {
					t.Fatalf("row %v has no place", row)
				}
			}
		}
		slices.Sort(got)
		slices.Sort(want)
		if !cmp.Equal(got, want) {
			t.Error(cmp.Diff(want, got))
		}
		keys := [][]string{{"not there"}}
		for _, id := range want {
			keys = append(keys, []string{id})
		}
		rows, err := r.Fetch(t.Context(), single, keys)
		if err != nil || len(rows) != len(want) {
			t.Errorf("fetched %d of %d: %v", len(rows), len(want), err)
		}
	})
}

func TestScanPair(t *testing.T) {
	t.Parallel()
	both(t, func(t *testing.T, r reader, db *pgx.Conn) {
		if _, err := db.Exec(t.Context(), `delete from pair; insert into pair (a, b) select a, 'b' || b from generate_series(1, 5) a, generate_series(1, 7) b`); err != nil {
			t.Fatal(err)
		}
		pair := readback.Table{Schema: "public", Name: "pair", Key: []string{"a", "b"}, Created: "at"}
		q := readback.ScanRequest{Table: pair, By: "at", Since: time.Now().Add(-time.Minute), Limit: 4}
		var keys [][]string
		for {
			page, err := r.Scan(t.Context(), q)
			if err != nil {
				t.Fatal(err)
			}
			if len(page.Rows) == 0 {
				break
			}
			for _, row := range page.Rows {
				key, _ := pair.KeyOf(row)
				keys = append(keys, key)
				q.After, _ = pair.Cursor("at", row)
			}
		}
		if len(keys) != 35 || !slices.IsSortedFunc(keys, slices.Compare[[]string]) {
			t.Errorf("%d keys: %v", len(keys), keys)
		}
		rows, err := r.Fetch(t.Context(), pair, keys)
		if err != nil || len(rows) != 35 {
			t.Errorf("fetched %d: %v", len(rows), err)
		}
	})
}

// TestValues checks that both readers print values alike, in UTC, whatever
// the database's own time zone.
func TestValues(t *testing.T) {
	t.Parallel()
	both(t, func(t *testing.T, r reader, db *pgx.Conn) {
		_, err := db.Exec(t.Context(), `delete from single; insert into single values ('x', '2024-02-29 23:59:59.5+03', null, 'sent',
			9223372036854775807, 1.10, true, '{a,NULL,"b c"}', '{"k": 1.50}', '\xdeadbeef', '2024-02-29', 'odd')`)
		if err != nil {
			t.Fatal(err)
		}
		rows, err := r.Fetch(t.Context(), single, [][]string{{"x"}})
		if err != nil || len(rows) != 1 {
			t.Fatal(rows, err)
		}
		got := map[string]string{}
		for k, v := range rows[0] {
			got[k] = string(v)
		}
		want := map[string]string{
			"id": `"x"`, "created_at": `"2024-02-29T20:59:59.5+00:00"`, "updated_at": "null", "status": `"sent"`,
			"n": "9223372036854775807", "price": "1.100", "ok": "true", "tags": `["a",null,"b c"]`, "doc": `{"k": 1.50}`,
			"raw": `"\\xdeadbeef"`, "d": `"2024-02-29"`, "odd name": `"odd"`,
		}
		if !cmp.Equal(got, want) {
			t.Error(cmp.Diff(want, got))
		}
		if _, err := r.Fetch(t.Context(), readback.Table{Schema: "other", Name: "things", Key: []string{"id"}}, [][]string{{"00000000-0000-4000-8000-000000000000"}}); err != nil {
			t.Errorf("another schema: %v", err)
		}
		var e *readback.Error
		bad := single
		bad.Watch = []string{"nope"}
		if _, err := r.Scan(t.Context(), readback.ScanRequest{Table: bad, By: "created_at", Since: time.Now(), Limit: 1}); !errors.As(err, &e) || !e.Permanent || e.Code != "42703" {
			t.Errorf("no such column: %v", err)
		}
		if _, err := r.Scan(t.Context(), readback.ScanRequest{Table: single, By: "created_at", Since: time.Now(), Limit: 1}); err != nil {
			t.Errorf("a failed statement spoilt the next: %v", err)
		}
	})
}

func TestPostgRESTRefusals(t *testing.T) {
	t.Parallel()
	srv := postgrestdouble.New(postgrestdouble.Options{Database: pgtest.DB(t, realtimedouble.Roles, `create table t (id int primary key, created_at timestamptz); revoke all on t from service_role`), Secret: secret})
	t.Cleanup(srv.Close)
	q := readback.ScanRequest{Table: readback.Table{Schema: "public", Name: "t", Key: []string{"id"}, Created: "created_at"}, By: "created_at", Since: time.Now(), Limit: 1}
	check := func(name string, r *readback.PostgREST, want string, permanent bool) {
		t.Helper()
		var e *readback.Error
		_, err := r.Scan(t.Context(), q)
		if !errors.As(err, &e) || !strings.Contains(err.Error(), want) || e.Permanent != permanent {
			t.Errorf("%s: %v (permanent %t)", name, err, e != nil && e.Permanent)
		}
		if err != nil && strings.Contains(err.Error(), "eyJ") {
			t.Errorf("%s: the error shows the key: %v", name, err)
		}
	}
	check("no rights", postgrest(t, srv, serviceKey(t)), "grant select", true)
	check("a bad key", postgrest(t, srv, "eyJhbGciOiJIUzI1NiJ9.e30.x"), "source.realtime.key", true)
	check("no key", postgrest(t, srv, ""), "source.realtime.key", true)
	check("an unknown role", postgrest(t, srv, keyOf(t, "nobody")), "source.realtime.key", true)
	fail := func(status int, header, body string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Retry-After", header)
			w.WriteHeader(status)
			_, _ = w.Write([]byte(body))
		}
	}
	check("overload", postgrest(t, fail(503, "", "<html>"), "k"), "HTTP 503", false)
	check("another server", postgrest(t, fail(200, "", "<html>"), "k"), "source.realtime.url", false)
	check("schema", postgrest(t, fail(406, "", `{"code":"PGRST106","message":"The schema must be one of the following: public"}`), "k"), "exposed schemas", true)
	var e *readback.Error
	if _, err := postgrest(t, fail(429, "7", ""), "k").Scan(t.Context(), q); !errors.As(err, &e) || e.RetryAfter != 7*time.Second {
		t.Errorf("too many requests: %v", err)
	}
	dead := httptest.NewServer(nil)
	dead.Close()
	r, err := readback.NewPostgREST(readback.PostgRESTOptions{URL: dead.URL, Key: func(context.Context) (string, error) { return "eyJ", nil }})
	if err != nil {
		t.Fatal(err)
	}
	check("nobody there", r, "refused", false)
	for _, u := range []string{"", "x", "ftp://h", "://"} {
		if _, err := readback.NewPostgREST(readback.PostgRESTOptions{URL: u, Key: func(context.Context) (string, error) { return "", nil }}); err == nil {
			t.Errorf("%q was taken", u)
		}
	}
}

// TestLessMayWork tells what may be too much, so that fewer rows are worth a try, from
// what has nothing to do with them.
func TestLessMayWork(t *testing.T) {
	t.Parallel()
	both(t, func(t *testing.T, r reader, db *pgx.Conn) {
		// A row that the server fails to print, as one that is damaged on disk.
		if _, err := db.Exec(t.Context(), `create or replace function broken(id int) returns text language plpgsql immutable as $$
			begin if id = 2 then raise exception 'missing chunk number 0 for toast value 1' using errcode = 'XX001'; end if; return 'x'; end $$;
			drop view if exists brittle;
			create view brittle as select id, now() as created_at, broken(id) as body from generate_series(1, 3) id;
			grant select on brittle to service_role`); err != nil {
			t.Fatal(err)
		}
		brittle := readback.Table{Schema: "public", Name: "brittle", Key: []string{"id"}, Created: "created_at"}
		_, err := r.Fetch(t.Context(), brittle, [][]string{{"1"}, {"2"}})
		less(t, "a row that cannot be printed", err, true)
		if rows, err := r.Fetch(t.Context(), brittle, [][]string{{"1"}, {"3"}}); err != nil || len(rows) != 2 {
			t.Errorf("%d rows without it: %v", len(rows), err)
		}
		_, err = r.Fetch(t.Context(), readback.Table{Schema: "public", Name: "secret", Key: []string{"id"}}, [][]string{{"1"}})
		if err != nil { // the role of the database's address may read it
			less(t, "no rights", err, false)
		}
		bad := single
		bad.Watch = []string{"nope"}
		_, err = r.Scan(t.Context(), readback.ScanRequest{Table: bad, By: "created_at", Since: time.Now(), Limit: 1})
		less(t, "no such column", err, false)
	})
	t.Run("time of a statement", func(t *testing.T) {
		dsn := pgtest.DB(t, `create view slow as select 1 as id, pg_sleep(60)::text as body`)
		r, err := readback.NewSQL(dsn, 2*time.Second)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = r.Close() })
		if _, err := r.Describe(t.Context(), readback.Table{Schema: "public", Name: "slow"}); err != nil {
			t.Fatal(err)
		}
		_, err = r.Fetch(t.Context(), readback.Table{Schema: "public", Name: "slow", Key: []string{"id"}}, [][]string{{"1"}})
		less(t, "a slow row", err, true)
	})
	answer := func(status int, body string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(status)
			_, _ = w.Write([]byte(body))
		}
	}
	for name, tt := range map[string]struct {
		h    http.HandlerFunc
		want bool
	}{
		"the server's time for a statement": {answer(500, `{"code":"57014","message":"canceling statement due to statement timeout"}`), true},
		"a gateway's time":                  {answer(504, "<html>"), true},
		"a gateway's bound":                 {answer(413, ""), true},
		"no connection for PostgREST":       {answer(504, `{"code":"PGRST003","message":"Timed out acquiring connection from connection pool."}`), false},
		"overload":                          {answer(503, ""), false},
		"too many requests":                 {answer(429, ""), false},
		"another server":                    {answer(200, "<html>"), false},
		"cut off": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "100")
			_, _ = w.Write([]byte("[{"))
		}, true},
	} {
		_, err := postgrest(t, tt.h, "k").Fetch(t.Context(), single, [][]string{{"x"}})
		less(t, name, err, tt.want)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := postgrest(t, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { cancel(); <-r.Context().Done() }), "k")
	_, err := ended.Fetch(ctx, single, [][]string{{"x"}})
	less(t, "the caller's own end", err, false)
}

func less(t *testing.T, what string, err error, want bool) {
	t.Helper()
	var e *readback.Error
	if !errors.As(err, &e) || e.Less != want {
		t.Errorf("%s: %v: less may work is %t, want %t", what, err, e != nil && e.Less, want)
	}
}

func TestSQLConnectsAgain(t *testing.T) {
	t.Parallel()
	dsn := pgtest.DB(t, `create table t (id int primary key, at timestamptz default now()); insert into t values (1)`)
	r, err := readback.NewSQL(dsn, time.Second)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = r.Close() })
	table := readback.Table{Schema: "public", Name: "t", Key: []string{"id"}, Created: "at"}
	fetch := func() error {
		_, err := r.Fetch(t.Context(), table, [][]string{{"1"}})
		return err
	}
	if err := fetch(); err != nil {
		t.Fatal(err)
	}
	kill := `select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and application_name = 'chatbridge'`
	if err := pgtest.Exec(t.Context(), dsn, kill); err != nil {
		t.Fatal(err)
	}
	if err := fetch(); err == nil {
		t.Error("a dead connection answered")
	}
	if err := fetch(); err != nil {
		t.Errorf("it did not connect again: %v", err)
	}
	if _, err := readback.NewSQL("postgres://u:hidden@h:notaport/x", 0); err == nil || strings.Contains(err.Error(), "hidden") {
		t.Errorf("a bad address: %v", err)
	}
}
