package postgrestdouble_test

import (
	"encoding/json"
	"net/http/httptest"
	"os"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"chatbridge/internal/npm"
	"chatbridge/internal/postgrestdouble"
	"chatbridge/internal/realtimedouble"
	"chatbridge/internal/throwaway/pgtest"
)

func TestMain(m *testing.M) { os.Exit(pgtest.Main(m)) }

const schema = `
create table things (id int primary key, name text, at timestamptz, tags text[], big bigint);
insert into things values
	(1, 'a,b', '2024-01-01', '{x,"y z"}', 9007199254740993), (2, 'x"y', '2024-01-02', null, null),
	(3, 'pa(ren)', '2024-01-03', '{}', 1), (4, null, null, null, null);
create table papers (id int, extra json);
insert into papers values (3, '{"a": {"b": "x"}}');
create table hidden (id int primary key);
revoke all on hidden from service_role;
create schema other;
grant usage on schema other to service_role;
create table other.things (id int primary key);
insert into other.things values (42);
grant select on other.things to service_role;
`

// TestPostgrestJS has the official client ask the double and compares what it
// makes of the answers.
func TestPostgrestJS(t *testing.T) {
	t.Parallel()
	npm.Install(t, "testdata/npm")
	secret := []byte("secret of the test")
	srv := postgrestdouble.New(postgrestdouble.Options{Database: pgtest.DB(t, realtimedouble.Roles, schema), Secret: secret})
	t.Cleanup(srv.Close)
	h := httptest.NewServer(srv)
	t.Cleanup(h.Close)
	key, err := jwt.NewWithClaims(jwt.SigningMethodHS256, jwt.MapClaims{"role": "service_role", "exp": time.Now().Add(time.Hour).Unix()}).SignedString(secret)
	if err != nil {
		t.Fatal(err)
	}
	type answer struct {
		Name   string          `json:"name"`
		Data   json.RawMessage `json:"data"`
		Count  *int            `json:"count"`
		Status int             `json:"status"`
		Error  *struct {
			Code, Message string
		} `json:"error"`
	}
	want := map[string]struct {
		data   string
		count  int
		status int
		code   string
	}{
		"all": {data: `[{"id":1,"name":"a,b","at":"2024-01-01T00:00:00+00:00","tags":["x","y z"],"big":9007199254740992},` +
			`{"id":2,"name":"x\"y","at":"2024-01-02T00:00:00+00:00","tags":null,"big":null},` +
			`{"id":3,"name":"pa(ren)","at":"2024-01-03T00:00:00+00:00","tags":[],"big":1},{"id":4,"name":null,"at":null,"tags":null,"big":null}]`, status: 200},
		"columns":   {data: `[{"id":4,"label":null},{"id":3,"label":"pa(ren)"},{"id":2,"label":"x\"y"},{"id":1,"label":"a,b"}]`, status: 200},
		"eq":        {data: `[{"id":1}]`, status: 200},
		"in":        {data: `[{"id":1},{"id":2},{"id":3}]`, status: 200},
		"range":     {data: `[{"id":2},{"id":3}]`, count: 4, status: 206},
		"limit":     {data: `[{"id":1},{"id":2}]`, status: 200},
		"gte":       {data: `[{"id":2},{"id":3}]`, status: 200},
		"or":        {data: `[{"id":1},{"id":4}]`, status: 200},
		"not":       {data: `[{"id":1},{"id":2},{"id":3}]`, status: 200},
		"isnull":    {data: `[{"id":4}]`, status: 200},
		"single":    {data: `{"id":1}`, status: 200},
		"notsingle": {data: `null`, status: 406, code: "PGRST116"},
		"head":      {data: `null`, count: 4, status: 200},
		"nosuch":    {data: `null`, status: 404, code: "PGRST205"},
		"nocolumn":  {data: `null`, status: 400, code: "42703"},
		"cast":      {data: `[{"n":"2","at":"2024-01-02T00:00:00+00:00"}]`, status: 200},
		"inside":    {data: `[{"id":3}]`, status: 200},
		"embedded":  {data: `null`, status: 400, code: "PGRST200"},
		"long":      {data: `null`, status: 414},
		"schema":    {data: `[{"id":42}]`, status: 200},
		"denied":    {data: `null`, status: 403, code: "42501"},
		"badtoken":  {data: `null`, status: 401, code: "PGRST301"},
		"nokey":     {data: `null`, status: 401},
	}
	js := npm.Node(t, "testdata/npm/client.mjs", h.URL, key)
	for range want {
		var a answer
		js.Await("answer", &a)
		w, ok := want[a.Name]
		if !ok {
			t.Errorf("%s was not asked for", a.Name)
			continue
		}
		code := ""
		if a.Error != nil {
			code = a.Error.Code
		}
		count := 0
		if a.Count != nil {
			count = *a.Count
		}
		if string(a.Data) != w.data || count != w.count || a.Status != w.status || code != w.code {
			t.Errorf("%s: got %s, count %d, status %d, code %q; want %+v", a.Name, a.Data, count, a.Status, code, w)
		}
	}
	js.Await("end", nil)
}
