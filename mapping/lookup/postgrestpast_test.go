package lookup_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"chatbridge/internal/postgrestdouble"
	"chatbridge/internal/realtimedouble"
	"chatbridge/internal/schemas"
	"chatbridge/internal/throwaway/pgtest"
	"chatbridge/mapping/lookup"
	"chatbridge/source"

	"github.com/golang-jwt/jwt/v5"
)

// restPast returns a RESTPast over a project's database, and what it asks.
func restPast(t *testing.T, url, preset, own string, o postgrestdouble.Options) (*lookup.RESTPast, *postgrestdouble.Server) {
	t.Helper()
	o.Database, o.Secret = url, []byte("secret of the test")
	double := postgrestdouble.New(o)
	t.Cleanup(double.Close)
	server := httptest.NewServer(http.StripPrefix("/rest/v1", double))
	t.Cleanup(server.Close)
	key, err := jwt.NewWithClaims(jwt.SigningMethodHS256, jwt.MapClaims{"role": "service_role"}).SignedString(o.Secret)
	if err != nil {
		t.Fatal(err)
	}
	p, err := lookup.NewRESTPast(server.URL+"/", fixed(key), server.Client(), spec(t, preset, own))
	if err != nil {
		t.Fatal(err)
	}
	return p, double
}

// Over PostgREST the same comes as over a direct connection, also where the server gives
// fewer rows at a time than it is asked for, and prints times in its own way.
func TestRESTPast(t *testing.T) {
	t.Parallel()
	url := pgtest.DB(t, realtimedouble.Roles, schemas.CRM, rows, "alter table conversations disable trigger all", later, "do $$ begin execute format('alter database %I set datestyle = german', current_database()); end $$")
	for _, maxRows := range []int{1, 2, 1000} {
		p, double := restPast(t, url, "crm", "", postgrestdouble.Options{MaxRows: maxRows})
		ctx, f1, f2 := t.Context(), id("f1"), id("f2")
		keys := func(want string, wantMore bool) func([]lookup.PastKey, bool, error) {
			return func(got []lookup.PastKey, more bool, err error) {
				t.Helper()
				if err != nil || keysOf(got) != want || more != wantMore {
					t.Errorf("%d rows at once: %s, more %v, %v; want %s, more %v", maxRows, keysOf(got), more, err, want, wantMore)
				}
			}
		}
		both := []lookup.Since{{id("c1"), day(1)}, {id("c2"), day(1)}}
		keys("b7 b6 b5 b2", false)(p.Messages(ctx, f1, both, day(20), 10))
		keys("b6 b5 b2", false)(p.Messages(ctx, f1, both, day(4), 10))
		keys("b7 b6", true)(p.Messages(ctx, f1, both, day(20), 2))
		keys("b6", false)(p.Messages(ctx, f1, []lookup.Since{{id("c1"), day(5)}, {id("c2"), day(1)}, {"no uuid", day(1)}}, day(20), 10))
		keys("b9", false)(p.Messages(ctx, f2, both, day(90), 10))
		keys("", false)(p.Messages(ctx, "no uuid", both, day(90), 10))
		keys("b7 b6 b5 b2", false)(p.AllMessages(ctx, f1, day(1), day(20), 10))
		keys("b7 b6", true)(p.AllMessages(ctx, f1, day(1), day(20), 2))
		keys("b9", false)(p.AllMessages(ctx, f2, day(1), day(90), 10)) // its own, of c1 that is none of its conversations
		newest, err := p.Newest(ctx, f1, []string{id("c1"), id("c2"), "'"}, 2, 10)
		keys("b7 b6 b5 b4", false)(newest, false, err)
		keys("c3 c1 c2", false)(p.Conversations(ctx, f1, day(2), 10))
		keys("c3", true)(p.Conversations(ctx, f1, day(2), 1))
		keys("c3", false)(p.Conversations(ctx, f1, day(6), 10))
		keys("c9", false)(p.Conversations(ctx, f2, day(6), 10))
		if newest[0].At != day(5) {
			t.Errorf("times: %+v", newest)
		}
		var bodies []string
		err = p.MessageRows(ctx, f1, []string{id("b5"), id("b9"), id("b1"), id("ff")}, func(row source.Row) {
			messages, _ := p.Relations()
			for i, c := range messages.Columns {
				if c.Name == "body" && c.Type == "text" {
					bodies = append(bodies, string(row[i].Data))
				}
			}
		})
		slices.Sort(bodies)
		if err != nil || strings.Join(bodies, " ") != "older x" {
			t.Errorf("rows: %q, %v", bodies, err)
		}
		n := 0
		if err := p.ConversationRows(ctx, f2, []string{id("c1"), id("c9")}, func(source.Row) { n++ }); err != nil || n != 1 {
			t.Errorf("%d conversations of f2, %v", n, err)
		}
		for _, asked := range double.Requests() {
			if !strings.Contains(asked, "workspace_id=in.") && asked != "/" {
				t.Errorf("asked of any workspace: %s", asked)
			}
		}
	}
}

// Times are exact to the microsecond: between messages of the same one, pages go on by key.
func TestRESTPastIsExact(t *testing.T) {
	t.Parallel()
	url := pgtest.DB(t, realtimedouble.Roles, schemas.CRM, rows, `delete from messages;
		insert into messages (id, conversation_id, workspace_id, body, created_at) select u((100 + n)::text), u('c1'), u('f1'), 'x', '2026-02-01'::timestamptz + (n / 3) * interval '1 microsecond' from generate_series(0, 8) n`)
	p, double := restPast(t, url, "crm", "", postgrestdouble.Options{MaxRows: 2})
	at := time.Date(2026, 2, 1, 0, 0, 0, 0, time.UTC)
	for since, want := range map[time.Duration]string{-time.Microsecond: "108 107 106 105 104 103 102 101 100", 0: "108 107 106 105 104 103", time.Microsecond: "108 107 106"} {
		keys, more, err := p.AllMessages(t.Context(), id("f1"), at.Add(since), at.Add(2*time.Microsecond), 99)
		if err != nil || more || keysOf(keys) != want {
			t.Errorf("since %v: %s, %v, %v", since, keysOf(keys), more, err)
		}
		keys, _, err = p.Messages(t.Context(), id("f1"), []lookup.Since{{id("c1"), at.Add(since)}}, at.Add(time.Microsecond), 99)
		if want := strings.TrimPrefix(strings.TrimPrefix(want, "108 107 106"), " "); err != nil || keysOf(keys) != want {
			t.Errorf("of the conversation since %v: %s, %v", since, keysOf(keys), err)
		}
	}
	many := make([]lookup.Since, 300)
	for i := range many {
		many[i] = lookup.Since{Conversation: fmt.Sprintf("00000000-0000-4000-9000-%012d", i), At: at}
	}
	many[150] = lookup.Since{Conversation: id("c1"), At: at}
	if keys, _, err := p.Messages(t.Context(), id("f1"), many, at.Add(time.Hour), 99); err != nil || len(keys) != 6 {
		t.Errorf("of 300 conversations: %s, %v", keysOf(keys), err)
	}
	var all []string
	for i := range 300 {
		all = append(all, fmt.Sprintf("00000000-0000-4000-9000-%012d", i))
	}
	n := 0
	if err := p.MessageRows(t.Context(), id("f1"), append(all, id("100"), id("108")), func(source.Row) { n++ }); err != nil || n != 2 {
		t.Errorf("%d rows, %v", n, err)
	}
	if n := len(double.Requests()); n < 15 {
		t.Errorf("%d requests: the keys were not cut into addresses", n)
	}
}

// The keys of ChatEngine's tables are texts, and may be anything; times may be infinite,
// or none.
func TestRESTPastOfTexts(t *testing.T) {
	t.Parallel()
	url := pgtest.DB(t, realtimedouble.Roles, schemas.ChatEngine, `
		insert into conversations (id, workspace_id, updated_at) values ('a"b\{},(.', 'w', '2026-01-01'), ('c', 'w', null);
		insert into messages (id, workspace_id, conversation_id, created_at) values ('1', 'w', 'a"b\{},(.', '2026-01-02'), ('2', 'w', 'c', '2026-01-03'), ('3', 'w', 'c', null), ('4', 'w', 'c', 'infinity')`)
	p, double := restPast(t, url, "chatengine", "", postgrestdouble.Options{MaxRows: 1})
	keys, _, err := p.Messages(t.Context(), "w", []lookup.Since{{`a"b\{},(.`, day(1)}, {"c", day(1)}, {"\x00", day(1)}, {"\xff", day(1)}}, day(9), 9)
	if err != nil || keysOf(keys) != "2 1" {
		t.Errorf("%+v, %v", keys, err)
	}
	if keys, err := p.Newest(t.Context(), "w", []string{"c"}, 9, 9); err != nil || keysOf(keys) != "4 2" || !keys[0].At.IsZero() {
		t.Errorf("newest: %+v, %v", keys, err)
	}
	// Ids that clients make up, each of which takes six times its length in an address.
	of, names := []lookup.Since{{"c", day(1)}}, []string{"c"}
	for i := range 60 {
		names = append(names, strings.Repeat(`"`, 120)+fmt.Sprint(i))
		of = append(of, lookup.Since{Conversation: names[i+1], At: day(1)})
	}
	if keys, _, err := p.Messages(t.Context(), "w", of, day(9), 9); err != nil || keysOf(keys) != "2" {
		t.Errorf("of made-up conversations: %+v, %v", keys, err)
	}
	before := len(double.Requests())
	if keys, err := p.Newest(t.Context(), "w", names, 1, 9); err != nil || keysOf(keys) != "4" {
		t.Errorf("newest of many conversations: %+v, %v", keys, err)
	}
	if n := len(double.Requests()) - before; n > 30 {
		t.Errorf("%d requests for the newest of many conversations", n)
	}
	if keys, _, err := p.Conversations(t.Context(), "w", day(2), 9); err != nil || keysOf(keys) != "c" {
		t.Errorf("conversations: %+v, %v", keys, err)
	}
}

// What PostgREST cannot be asked for is said, with the remedy.
func TestRESTPastCannot(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		change string
		o      postgrestdouble.Options
		want   error
		text   string
	}{
		{"alter table messages alter created_at type text", postgrestdouble.Options{}, lookup.ErrNoTime, "newest_by"},
		{"alter table messages alter created_at type date", postgrestdouble.Options{}, lookup.ErrNoTime, "newest_by"},
		{"alter table messages alter workspace_id type bytea using '\\x00'", postgrestdouble.Options{}, lookup.ErrNotOverPostgREST, "workspace_id of messages is of type bytea"},
		{"select", postgrestdouble.Options{NoOpenAPI: true}, lookup.ErrNotOverPostgREST, "lookup.url"},
		{"revoke select on messages from service_role", postgrestdouble.Options{}, nil, "not there or may not be read"},
	} {
		p, _ := restPast(t, pgtest.DB(t, realtimedouble.Roles, schemas.CRM, c.change), "crm", "", c.o)
		err := p.Check(t.Context())
		if err == nil || c.want != nil && !errors.Is(err, c.want) || !strings.Contains(err.Error(), c.text) {
			t.Errorf("%s: %v", c.change, err)
		}
	}
	url := pgtest.DB(t, realtimedouble.Roles, schemas.CRM, "alter table messages alter created_at type timestamp using created_at at time zone 'UTC'", rows)
	p, double := restPast(t, url, "crm", "", postgrestdouble.Options{})
	keys, _, err := p.AllMessages(t.Context(), id("f1"), day(1), day(9), 9)
	if err != nil || keysOf(keys) != "b2" || keys[0].At != day(2) {
		t.Errorf("created_at has no zone: %+v, %v", keys, err)
	}
	// A column that is renamed under way, and a statement that takes too long.
	if err := pgtest.Exec(t.Context(), url, "alter table messages rename created_at to elsewhere"); err != nil {
		t.Fatal(err)
	}
	if _, _, err := p.AllMessages(t.Context(), id("f1"), day(1), day(9), 9); err == nil {
		t.Error("read by a column that is not there")
	}
	if err := pgtest.Exec(t.Context(), url, "alter table messages rename elsewhere to created_at"); err != nil {
		t.Fatal(err)
	}
	if keys, _, err := p.AllMessages(t.Context(), id("f1"), day(1), day(9), 9); err != nil || keysOf(keys) != "b2" {
		t.Errorf("when it is back: %+v, %v", keys, err)
	}
	double.Fail(500, `{"code":"57014","message":"canceling statement due to statement timeout"}`)
	if _, _, err := p.AllMessages(t.Context(), id("f1"), day(1), day(9), 9); err == nil || !strings.Contains(err.Error(), "indexes") {
		t.Errorf("a statement that takes too long: %v", err)
	}
}

// Rows that are too large together are refused as a whole; fewer of them are read.
func TestRESTPastTooLarge(t *testing.T) {
	t.Parallel()
	url := pgtest.DB(t, realtimedouble.Roles, schemas.CRM, rows, "update messages set body = repeat('x', 5000000)")
	p, _ := restPast(t, url, "crm", "", postgrestdouble.Options{})
	n := 0
	if err := p.MessageRows(t.Context(), id("f1"), []string{id("b1"), id("b2")}, func(source.Row) { n++ }); !errors.Is(err, lookup.ErrTooLarge) || n > 0 {
		t.Errorf("two: %d, %v", n, err)
	}
	if err := p.MessageRows(t.Context(), id("f1"), []string{id("b1")}, func(source.Row) { n++ }); err != nil || n != 1 {
		t.Errorf("one: %d, %v", n, err)
	}
}

// Conversations are found by their messages where their own time does not tell, also of
// busy ones, whose messages are looked through up to a bound; what is beyond it is said.
func TestRESTPastTouched(t *testing.T) {
	t.Parallel()
	url := pgtest.DB(t, realtimedouble.Roles, schemas.CRM, "alter table conversations disable trigger all", rows, `update conversations set updated_at = '2025-01-01';
		insert into messages (conversation_id, workspace_id, body, created_at) select u('c2'), u('f1'), 'x', '2026-02-02'::timestamptz + n * interval '1 second' from generate_series(1, 30) n;
		insert into messages (conversation_id, workspace_id, body, created_at) values (u('c3'), u('f1'), 'x', '2026-02-01')`)
	p, _ := restPast(t, url, "crm", "", postgrestdouble.Options{MaxRows: 3})
	if keys, more, err := p.Conversations(t.Context(), id("f1"), day(20), 5); err != nil || keysOf(keys) != "c2 c3" || more {
		t.Errorf("%s, more %v, %v", keysOf(keys), more, err)
	}
	p, _ = restPast(t, url, "crm", "", postgrestdouble.Options{})
	if keys, more, err := p.Conversations(t.Context(), id("f1"), day(20), 2); err != nil || keysOf(keys) != "c2" || !more {
		t.Errorf("beyond the bound: %s, more %v, %v", keysOf(keys), more, err)
	}
}

// `where:` is asked for where PostgREST means the same by it, and else left to the Mapper:
// no wanted row is missing.
func TestRESTPastWhere(t *testing.T) {
	t.Parallel()
	url := pgtest.DB(t, realtimedouble.Roles, schemas.CRM, rows, `
alter table messages add column private boolean, add column kind int, add column extra jsonb, add column price numeric, add column note text;
delete from messages;
insert into messages (id, conversation_id, workspace_id, created_at, body, private, kind, extra, price, note) values
  (u('b1'), u('c1'), u('f1'), '2026-01-01', 'oldest', false, 1, '{"a": {"b": "x"}, "0": "z"}', 1.0, '{"a": "x"}'),
  (u('b2'), u('c1'), u('f1'), '2026-01-02', 'opt_2', true, 2, '{"a": {"b": null}}', 2, null)`)
	for condition, want := range map[string]string{
		"{column: private, is: false}": "b1", "{not: {column: private, is: false}}": "b2", "{column: body, begins: opt_}": "b2",
		"{column: kind, in: [2, 3]}": "b2", "{column: extra, path: a.b, is: x}": "b1", "{column: private, is: null}": "",
		"{any: [{column: kind, is: 2}, {column: body, is: ''}]}": "b2",
		// These are left to the Mapper.
		"{column: kind, is: one}": "b2 b1", "{not: {column: price, is: 1}}": "b2 b1", "{column: kind, begins: 2}": "b2 b1",
		"{column: note, path: a, is: x}": "b2 b1", `{column: extra, path: "0", is: z}`: "b2 b1", "{column: nowhere, is: null}": "b2 b1",
	} {
		p, _ := restPast(t, url, "crm", "message: {where: "+condition+"}", postgrestdouble.Options{})
		keys, _, err := p.AllMessages(t.Context(), id("f1"), day(1).Add(-time.Hour), day(9), 9)
		if err != nil || keysOf(keys) != want {
			t.Errorf("%s: %s, %v; want %s", condition, keysOf(keys), err, want)
		}
	}
}
