package realtimedouble_test

import (
	"encoding/json"
	"os"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"chatbridge/internal/npm"
	"chatbridge/internal/realtimedouble"
	"chatbridge/internal/throwaway/pgtest"
)

// TestRealtimeJS has the official client follow a table of the double, in
// both versions of the protocol, through a token's refresh, a crash and a
// restart, as it was recorded following the real server.
func TestRealtimeJS(t *testing.T) {
	t.Parallel()
	npm.Install(t, "testdata/npm")
	for _, vsn := range []string{"1.0.0", "2.0.0"} {
		t.Run(vsn, func(t *testing.T) {
			t.Parallel()
			follow(t, vsn)
		})
	}
}

func follow(t *testing.T, vsn string) {
	lab, err := os.ReadFile("testdata/lab.sql")
	if err != nil {
		t.Fatal(err)
	}
	dsn := pgtest.DB(t, realtimedouble.Roles, string(lab))
	db, err := pgx.Connect(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close(t.Context()) })
	srv, err := realtimedouble.Start(realtimedouble.Options{Database: dsn})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(srv.Close)
	exec := func(sql string) {
		t.Helper()
		if _, err := db.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}
	js := npm.Node(t, "testdata/npm/client.mjs", strings.Replace(srv.URL(), "http", "ws", 1)+"/realtime/v1", srv.Key(), "messages", vsn)
	subscribed := func() {
		t.Helper()
		var s struct{ Message, Status, Extension string }
		js.Await("system", &s)
		if s.Message != "Subscribed to PostgreSQL" || s.Status != "ok" || s.Extension != "postgres_changes" {
			t.Fatalf("system: %+v", s)
		}
	}
	type change struct {
		Type, Table, Commit string
		New, Old            map[string]json.RawMessage
		Errors              json.RawMessage
	}
	var st struct{ Status string }
	js.Await("status", &st)
	if st.Status != "SUBSCRIBED" {
		t.Fatalf("status %s", st.Status)
	}
	subscribed()
	exec(`insert into messages (body, tags, payload, price) values ('olá', '{a,NULL}', '{"k": [1]}', 1.10)`)
	var c change
	js.Await("change", &c)
	if c.Type != "INSERT" || c.Table != "messages" || string(c.New["body"]) != `"olá"` || string(c.New["tags"]) != `["a",null]` ||
		string(c.New["payload"]) != `{"k":[1]}` || string(c.Errors) != "null" {
		t.Errorf("insert: %+v", c)
	}
	exec(`update messages set status = 'read'`)
	js.Await("change", &c)
	if c.Type != "UPDATE" || string(c.New["status"]) != `"read"` || len(c.Old) != 1 {
		t.Errorf("update: %+v", c)
	}
	js.Await("heartbeat", nil)
	if first := srv.Frames()[0].Raw[:1]; (first == "{") != (vsn == "1.0.0") {
		t.Errorf("frames of version %s start with %s", vsn, first)
	}
	srv.DropTCP()
	js.Await("status", &st)
	if st.Status != "CHANNEL_ERROR" {
		t.Errorf("after the connection was reset: %s", st.Status)
	}
	subscribed()
	exec(`delete from messages`)
	c = change{}
	js.Await("change", &c)
	if c.Type != "DELETE" || string(c.Old["id"]) != "1" {
		t.Errorf("delete: %+v", c)
	}
	js.Tell(map[string]string{"do": "leave"})
	var left struct{ Result string }
	js.Await("left", &left)
	if left.Result != "ok" {
		t.Errorf("leaving: %s", left.Result)
	}
}
