package bridge_test

import (
	"fmt"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"chatbridge/internal/ports"
	"chatbridge/internal/postgrestdouble"
	"chatbridge/internal/realtimedouble"
	"chatbridge/internal/schemas"
	"chatbridge/internal/throwaway/pgtest"
)

// project is a Supabase project: its database, Realtime and PostgREST, and
// the keys with which it was asked.
type project struct {
	*realtimedouble.Server
	mu   sync.Mutex
	keys map[string]bool
	// damaged is the key of a row that the database cannot print, "" for none.
	damaged string
	// failing has PostgREST answer nothing but an error.
	failing bool
}

func startProject(t *testing.T, dsn string) *project {
	t.Helper()
	return startProjectWith(t, dsn, postgrestdouble.Options{})
}

func startProjectWith(t *testing.T, dsn string, o postgrestdouble.Options) *project {
	t.Helper()
	p := &project{keys: make(map[string]bool)}
	key := []byte("the project's secret")
	o.Database, o.Secret = dsn, key
	rest := postgrestdouble.New(o)
	t.Cleanup(rest.Close)
	var err error
	p.Server, err = realtimedouble.Start(realtimedouble.Options{
		Database: dsn, Secret: key,
		Rest: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			p.mu.Lock()
			p.keys[r.Header.Get("Apikey")] = true
			damaged, failing := p.damaged != "" && strings.Contains(r.URL.RawQuery, p.damaged), p.failing
			p.mu.Unlock()
			if failing {
				w.WriteHeader(http.StatusServiceUnavailable)
				return
			}
			if damaged {
				w.WriteHeader(http.StatusInternalServerError)
				_, _ = w.Write([]byte(`{"code":"XX001","message":"missing chunk number 0 for toast value 16390 in pg_toast_16384"}`))
				return
			}
			rest.ServeHTTP(w, r)
		}),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	return p
}

// joinedWith reports whether a channel was joined with the key.
func (p *project) joinedWith(key string) bool { return p.told("phx_join", key) }

// told reports whether the key came with an event.
func (p *project) told(event, key string) bool {
	return slices.ContainsFunc(p.Frames(), func(f realtimedouble.Frame) bool {
		return strings.Contains(f.Raw, `,"`+event+`",`) && strings.Contains(f.Raw, key)
	})
}

func (p *project) asked(key string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.keys[key]
}

// failReading has PostgREST answer nothing but an error, or no more.
func (p *project) failReading(on bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.failing = on
}

// TestServeByRealtime: the project's address and service key are all there is.
// The key is replaced while clients are connected.
func TestServeByRealtime(t *testing.T) {
	t.Parallel()
	dsn := pgtest.DB(t, realtimedouble.Roles, schemas.CRM)
	conn, ids := crmDatabase(t, dsn, 1)
	p := startProject(t, dsn)
	old := p.Key()
	env := func(key string) []string {
		return []string{
			"BRIDGE_SOURCE_KIND=realtime", "SUPABASE_URL=" + p.URL(), "SUPABASE_SERVICE_ROLE_KEY=" + key,
			"BRIDGE_SOURCE_REALTIME_RECONCILE_INTERVAL=1s",
		}
	}
	d := runDaemon(t, env(old))
	d.ready()
	c := d.client(ids[0])
	d.live(1)
	say := func(text string) {
		t.Helper()
		if _, err := conn.Exec(t.Context(), insertMessage, workspace, ids[0], text); err != nil {
			t.Fatal(err)
		}
		c.await(text, func(events []event) bool { return bodies(events)[text] })
	}
	say("with the first key")
	got := c.await("the conversation", func(events []event) bool {
		return slices.ContainsFunc(events, func(e event) bool {
			_, last := e.Payload["lastMessage"]
			return e.Name == "conversation" && last
		})
	})
	for _, e := range got {
		if participants, _ := e.Payload["participants"].([]any); e.Name == "conversation" && len(participants) != 1 {
			t.Errorf("the conversation lacks what PostgREST knows: %v", e.Payload)
		}
	}

	renewed := p.Token(map[string]any{"role": "service_role", "exp": 20 * 365 * 24 * time.Hour, "iss": "supabase"})
	changed, restart, err := d.Reload(load(t, env(renewed)))
	if err != nil || !slices.Equal(changed, []string{"source.realtime.key"}) || len(restart) > 0 {
		t.Fatalf("reloaded %v, restart for %v: %v", changed, restart, err)
	}
	// At once, rather than when the key is next asked for.
	d.await("a channel that was given the new key", func() bool { return p.told("access_token", renewed) })
	p.CloseIdle()
	d.await("a join with the new key", func() bool { return p.joinedWith(renewed) })
	d.await("a reading with the new key", func() bool { return p.asked(renewed) })
	say("with the second key")
	if connects := len(c.connected); connects > 0 {
		t.Errorf("the client had to connect again %d times", connects)
	}
}

// TestDamagedRow: a row that the stream lost and that cannot be read back is told of to
// its workspace, and the others come.
func TestDamagedRow(t *testing.T) {
	t.Parallel()
	dsn := pgtest.DB(t, realtimedouble.Roles, schemas.CRM)
	conn, ids := crmDatabase(t, dsn, 1)
	p := startProject(t, dsn)
	const other, elsewhere = "bbbbbbbb-0000-4000-8000-000000000001", "c0000000-0000-4000-8000-00000000000f"
	if _, err := conn.Exec(t.Context(), `with c as (insert into contacts (workspace_id, name, phone) values ($1, 'Other', '5511900000099') returning id)
		insert into conversations (id, workspace_id, contact_id) select $2, $1, id from c`, other, elsewhere); err != nil {
		t.Fatal(err)
	}
	d := runDaemon(t, []string{
		"BRIDGE_SOURCE_KIND=realtime", "SUPABASE_URL=" + p.URL(), "SUPABASE_SERVICE_ROLE_KEY=" + p.Key(),
		"BRIDGE_SOURCE_REALTIME_RECONCILE_INTERVAL=1s",
	})
	d.ready()
	c := d.client(ids[0])
	d.live(1)
	p.Silence(true)
	insert := func(workspace, conversation, body string) (id string) {
		t.Helper()
		if err := conn.QueryRow(t.Context(), insertMessage+" returning id::text", workspace, conversation, body).Scan(&id); err != nil {
			t.Fatal(err)
		}
		return id
	}
	p.mu.Lock() // nothing is read back before it is known which row is damaged
	p.damaged = insert(workspace, ids[0], "damaged")
	p.mu.Unlock()
	insert(workspace, ids[0], "whole")
	c.await("the message behind it", func(events []event) bool { return bodies(events)["whole"] })
	c.await("the gap of the damaged one", func(events []event) bool {
		return slices.ContainsFunc(events, func(e event) bool { return e.Name == "gap" && e.Payload["conversationId"] == ids[0] })
	})
	// The same of another workspace is none of this client's.
	p.mu.Lock()
	p.damaged = insert(other, elsewhere, "damaged")
	p.mu.Unlock()
	insert(workspace, ids[0], "later")
	d.await("the other's gap to be counted", func() bool { return d.Snapshot().Pipeline.Gaps == 2 })
	events := c.await("the later message", func(events []event) bool { return bodies(events)["later"] })
	gaps := 0
	for _, e := range events {
		if e.Name == "gap" {
			gaps++
		}
	}
	if gaps != 1 {
		t.Errorf("the client was told of %d gaps, want its own", gaps)
	}
}

// TestRealtimeRestart: a client that was connected before a restart has, after it, all
// that was committed meanwhile: statuses of old messages, messages from the first second
// of a stop of ten minutes (by their times) on, and nobody is told of a gap.
func TestRealtimeRestart(t *testing.T) {
	t.Parallel()
	dsn := pgtest.DB(t, realtimedouble.Roles, schemas.CRM)
	conn, ids := crmDatabase(t, dsn, 1)
	p := startProject(t, dsn)
	const old = `insert into messages (workspace_id, conversation_id, body, status, is_outgoing, sender_jid, created_at)
		select $1, $2, $3 || i, 'sent', true, '5511999999999@s.whatsapp.net', now() - $4::interval + i * '1 s'::interval from generate_series(1, 50) i`
	exec := func(sql string, args ...any) {
		t.Helper()
		if _, err := conn.Exec(t.Context(), sql, args...); err != nil {
			t.Fatal(err)
		}
	}
	exec(old, workspace, ids[0], "old ", "3 hours")
	addr, err := ports.Free() // the client comes back to it
	if err != nil {
		t.Fatal(err)
	}
	env := []string{
		"BRIDGE_LISTEN=" + addr,
		"BRIDGE_SOURCE_KIND=realtime", "SUPABASE_URL=" + p.URL(), "SUPABASE_SERVICE_ROLE_KEY=" + p.Key(),
		"BRIDGE_SOURCE_REALTIME_RECONCILE_INTERVAL=1s", "BRIDGE_LEDGER_FILE=" + filepath.Join(t.TempDir(), "ledger"),
	}
	d := runDaemon(t, env)
	d.ready()
	c := d.client(ids[0])
	d.live(1)
	// What is caught up on has no offset, and without one the client is told of a gap.
	for n := 0; !slices.ContainsFunc(c.await("", func([]event) bool { return true }), func(e event) bool { return e.Offset != "" }); n++ {
		body := fmt.Sprint("before the stop ", n)
		exec(insertMessage, workspace, ids[0], body)
		c.await("a message from before the stop", func(events []event) bool { return bodies(events)[body] })
	}
	if l := d.Snapshot().Ledger; l == nil || l.Error != "" {
		t.Fatalf("the ledger: %+v", l)
	}
	d.stop()

	exec("update messages set status = 'read' where body like 'old %'")
	exec(old, workspace, ids[0], "meanwhile ", "10 minutes")
	before := len(c.await("", func([]event) bool { return true }))
	d = runDaemon(t, env)
	d.ready()
	events := c.await("what was committed meanwhile", func(events []event) bool {
		read, meanwhile := map[any]bool{}, 0
		for _, e := range events[before:] {
			if e.Name == "messageStatus" && e.Payload["status"] == "read" {
				read[e.Payload["messageId"]] = true
			}
		}
		for body := range bodies(events[before:]) {
			if strings.HasPrefix(body, "meanwhile ") {
				meanwhile++
			}
		}
		return len(read) == 50 && meanwhile == 50
	})
	for _, e := range events {
		if e.Name == "gap" {
			t.Errorf("told of a gap: %v", e.Payload)
		}
	}
	if g := d.Snapshot().Pipeline.Gaps; g != 0 {
		t.Errorf("%d gaps", g)
	}
}
