package check_test

import (
	"bytes"
	"context"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"chatbridge/bridge/send"
	"chatbridge/configs"
	"chatbridge/internal/throwaway/pgtest"
)

// TestSendByFunction: a function that is there is asked nothing that it would send, and
// one that is not, or redirects, is found.
func TestSendByFunction(t *testing.T) {
	t.Parallel()
	dsn := ready(t)
	project := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.Method != http.MethodOptions || r.Header.Get("Authorization") != "":
			t.Errorf("the function was asked %s", r.Method)
		case r.URL.Path == "/functions/v1/moved":
			http.Redirect(w, r, "https://elsewhere.example", http.StatusMovedPermanently)
		case r.URL.Path != "/functions/v1/whatsapp-send":
			http.NotFound(w, r)
		}
	}))
	t.Cleanup(project.Close)
	env := []string{
		"DATABASE_URL=" + dsn, "BRIDGE_SOURCE_POSTGRES_SLOT=" + slot(t), "SUPABASE_JWT_SECRET=" + secret + "2", "SUPABASE_ANON_KEY=sb_publishable_x",
		"BRIDGE_SEND_MODE=function", "BRIDGE_SEND_FUNCTION_URL=" + project.URL,
	}
	file := "BRIDGE_SEND_STATE_FILE=" + filepath.Join(t.TempDir(), "sends")
	expect(t, findings(t, load(t, append(env, file)...)), "ok send.state_file", "ok send.function: whatsapp-send is there")
	expect(t, findings(t, load(t, append(env, file, "BRIDGE_SEND_FUNCTION_NAME=other")...)), "fail send.function: no function of that name")
	expect(t, findings(t, load(t, append(env, file, "BRIDGE_SEND_FUNCTION_NAME=moved")...)), "fail send.function: redirect")
	expect(t, findings(t, load(t, append(env, "BRIDGE_SEND_STATE_FILE=/proc/nowhere/sends")...)), "fail send.state_file: cannot be written")
	expect(t, findings(t, load(t, "DATABASE_URL="+dsn, "BRIDGE_SOURCE_POSTGRES_SLOT="+slot(t))), "ok send.mode: refused")
}

// TestADamagedRecordOfWhatWasSent is found, and how to go on; one that the bridge has open
// is none.
func TestADamagedRecordOfWhatWasSent(t *testing.T) {
	t.Parallel()
	dsn := ready(t)
	path := filepath.Join(t.TempDir(), "sends")
	c := load(t, "DATABASE_URL="+dsn, "BRIDGE_SOURCE_POSTGRES_SLOT="+slot(t), "BRIDGE_SEND_MODE=outbox", "BRIDGE_SEND_OUTBOX_URL="+dsn, "BRIDGE_SEND_STATE_FILE="+path)
	s := send.New(send.Options{Way: new(send.Outbox), File: path})
	if err := s.Open(); err != nil {
		t.Fatal(err)
	}
	expect(t, findings(t, c), "ok send.state_file")
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.Run(ended); err != nil {
		t.Fatal(err)
	}
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for name, file := range map[string]struct {
		text            []byte
		what, otherwise string
	}{
		"cut":       {whole[:len(whole)/4+100], "damaged", "move it aside"},
		"zeros":     {make([]byte, len(whole)), "damaged", "move it aside"},
		"another's": {bytes.Repeat([]byte("not a database\n"), 4000), "no file of the bridge's", "give send.state_file a path of its own"},
	} {
		if err := os.WriteFile(path, file.text, 0o600); err != nil {
			t.Fatal(err)
		}
		got := findings(t, c)
		expect(t, got, "fail send.state_file: "+file.what)
		expect(t, got, "fail send.state_file: "+file.otherwise)
		if err := send.New(send.Options{Way: new(send.Outbox), File: path}).Open(); err == nil || !strings.Contains(err.Error(), file.otherwise) {
			t.Errorf("%s: the bridge says %v", name, err)
		}
	}
}

// TestSendByOutbox: each right that the role lacks is found with the statement that grants
// it; so are columns that are not there, or would be left empty.
func TestSendByOutbox(t *testing.T) {
	t.Parallel()
	dsn := ready(t)
	if err := pgtest.Exec(t.Context(), dsn, "create role check_outbox login password 'topsecret'", "create table chat_outbox (message_id uuid primary key,"+
		" workspace_id uuid not null, conversation_id uuid not null, client_id text not null, user_id uuid, body text not null, lane int not null)"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = pgtest.Exec(context.Background(), dsn, "drop owned by check_outbox", "drop role check_outbox")
	})
	u, err := url.Parse(dsn)
	if err != nil {
		t.Fatal(err)
	}
	u.User = url.UserPassword("check_outbox", "topsecret")
	c := load(t, "DATABASE_URL="+dsn, "BRIDGE_SOURCE_POSTGRES_SLOT="+slot(t), "BRIDGE_SEND_MODE=outbox", "BRIDGE_SEND_OUTBOX_URL="+u.String(),
		"BRIDGE_SEND_STATE_FILE="+filepath.Join(t.TempDir(), "sends"))
	got := findings(t, c)
	expect(t, got, "fail send.outbox: lane")
	if err := pgtest.Exec(t.Context(), dsn, "alter table chat_outbox alter lane set default 0"); err != nil {
		t.Fatal(err)
	}
	granted := 0
	for got = findings(t, c); got["fail send.outbox_rights"].What != ""; got = findings(t, c) {
		f := got["fail send.outbox_rights"]
		if err := pgtest.Exec(t.Context(), dsn, f.Fix); err != nil || granted > 5 {
			t.Fatalf("%+v: %v", f, err)
		}
		granted++
	}
	if granted != 4 {
		t.Errorf("%d statements granted what was missing, want one for each table and right", granted)
	}
	expect(t, got, "ok send.outbox: messages can be stored")
	conn, err := pgx.Connect(t.Context(), u.String())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(context.WithoutCancel(t.Context())) }()
	if _, err := conn.Exec(t.Context(), "select from chat_outbox where user_id is null and conversation_id is null and body = ''"); err != nil {
		t.Errorf("with all that is asked for, a message cannot be known again: %v", err)
	}
	none(t, got, "warn send.outbox_role")
	c.Send.Outbox.Read = "update conversations set unread_count = 0 where id = $1 and workspace_id = $2"
	expect(t, findings(t, c), "fail send.outbox.read: UPDATE on those that it sets")
	if err := pgtest.Exec(t.Context(), dsn, "grant update (unread_count) on conversations to check_outbox"); err != nil {
		t.Fatal(err)
	}
	none(t, findings(t, c), "fail send.outbox.read")
	c.Send.Outbox.Read = "update conversations set unread = 0 where id = $1 and workspace_id = $2"
	expect(t, findings(t, c), "fail send.outbox.read: unread")
	c.Send.Outbox.Read = ""
	super := *c
	super.Send.Outbox.URL = configs.DSN(dsn)
	expect(t, findings(t, &super), "warn send.outbox_role: superuser")
	if err := pgtest.Exec(t.Context(), dsn, "alter table chat_outbox alter body drop not null", "alter table chat_outbox rename body to text"); err != nil {
		t.Fatal(err)
	}
	expect(t, findings(t, c), "fail send.outbox: no column body")
}
