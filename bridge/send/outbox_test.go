package send_test

import (
	"context"
	"errors"
	"net"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"chatbridge/bridge/send"
	"chatbridge/internal/schemas"
	"chatbridge/internal/throwaway/pgtest"
)

const (
	ours, theirs   = "5e0d0000-0000-4000-8000-00000000000a", "5e0d0000-0000-4000-8000-00000000000b"
	first, foreign = "c5e00000-0000-4000-8000-000000000001", "c5e00000-0000-4000-8000-000000000002"
	ana            = "05e40000-0000-4000-8000-00000000000a"

	// As docs/sending.md has it.
	outboxTable = `create table public.chat_outbox (
		message_id uuid primary key, workspace_id uuid not null, conversation_id uuid not null, client_id text not null,
		user_id uuid, body text not null, created_at timestamptz not null default now(), done_at timestamptz, unique (workspace_id, client_id))`
	people = `insert into contacts (id, workspace_id, name, phone) values ('` + first + `', '` + ours + `', 'A', '1'), ('` + foreign + `', '` + theirs + `', 'B', '2');
		insert into conversations (id, workspace_id, contact_id) select id, workspace_id, id from contacts`
)

// outbox is a Sender that stores, over a role with the rights that it needs and no more.
type outbox struct {
	*send.Sender
	pool  *pgxpool.Pool // the role's
	admin *pgx.Conn
	// cut breaks the connections of the role at their next answer.
	cut *atomic.Bool
}

func startOutbox(t *testing.T) *outbox {
	t.Helper()
	role := "outbox_" + strings.ReplaceAll(strings.ToLower(t.Name()), "/", "_")
	dsn := pgtest.DB(t, schemas.CRM, outboxTable, people)
	admin, err := pgx.Connect(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = admin.Close(context.WithoutCancel(t.Context())) })
	for _, sql := range []string{
		"drop role if exists " + role,
		"create role " + role + " login password 'x'",
		"grant select (id, workspace_id) on conversations to " + role,
		"grant insert (id, workspace_id, conversation_id, client_id, body, reply_to_id, sent_by_user_id, type, status, is_outgoing) on messages to " + role,
		"grant update (unread_count) on conversations to " + role,
		"grant select (workspace_id, client_id, conversation_id, user_id, body), insert (message_id, workspace_id, conversation_id, client_id, user_id, body) on chat_outbox to " + role,
	} {
		if _, err := admin.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}
	o := &outbox{admin: admin, cut: new(atomic.Bool)}
	cfg, err := pgxpool.ParseConfig(dsn)
	if err != nil {
		t.Fatal(err)
	}
	cfg.ConnConfig.User, cfg.ConnConfig.Password = role, "x"
	dialer := new(net.Dialer)
	cfg.ConnConfig.DialFunc = func(ctx context.Context, network, addr string) (net.Conn, error) {
		conn, err := dialer.DialContext(ctx, network, addr)
		return &cutConn{Conn: conn, cut: o.cut}, err
	}
	pool, err := pgxpool.NewWithConfig(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	fields := func(texts ...string) []send.Field {
		f, err := send.ParseFields(texts)
		if err != nil {
			t.Fatal(err)
		}
		return f
	}
	o.pool = pool
	way, err := send.NewOutbox(pool, send.OutboxOptions{
		Messages: "public.messages", Table: "public.chat_outbox", Channel: "chat_outbox",
		Message: fields("id=id", "workspace_id=workspace", "conversation_id=conversation", "client_id=client_id", "body=content",
			"reply_to_id=reply_to", "sent_by_user_id=user", "type='text'", "status='sending'", "is_outgoing='true'"),
		Columns:       fields("message_id=id", "workspace_id=workspace", "conversation_id=conversation", "client_id=client_id", "user_id=user", "body=content"),
		Conversations: "public.conversations", ConversationID: "id", ConversationWorkspace: "workspace_id",
	})
	if err != nil {
		t.Fatal(err)
	}
	o.Sender = send.New(send.Options{Way: way, File: filepath.Join(t.TempDir(), "sends"), Conversations: everyConversation{}, Timeout: 20 * time.Second})
	if err := o.Open(); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.WithoutCancel(t.Context()))
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = o.Run(ctx)
	}()
	t.Cleanup(func() { stop(); <-done; pool.Close() })
	return o
}

// TestMarkReadByAStatement: send.outbox.read, as docs/sending.md has it and with other
// parameters, over the role's rights, marks the one conversation of the one workspace.
func TestMarkReadByAStatement(t *testing.T) {
	t.Parallel()
	o := startOutbox(t)
	for name, tt := range map[string]struct {
		sql, workspace string
		want           int // unread of the first afterwards
		fails          bool
	}{
		"as documented":           {"update public.conversations set unread_count = 0 where id = $1 and workspace_id = $2", ours, 0, false},
		"another workspace's":     {"update public.conversations set unread_count = 0 where id = $1 and workspace_id = $2", theirs, 5, false},
		"without the workspace":   {"update public.conversations set unread_count = 0 where id = $1 and $3::uuid is not null", ours, 0, false},
		"a user in front":         {"update public.conversations set unread_count = case when $3 = '" + ana + "' then 0 else 1 end where $1 = id::text", ours, 0, false},
		"a right that it lacks":   {"update public.conversations set is_group = true, unread_count = 0 where id = $1", ours, 5, true},
		"a statement that is not": {"update nothing set x = $1", ours, 5, true},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := o.admin.Exec(t.Context(), "update conversations set unread_count = 5"); err != nil {
				t.Fatal(err)
			}
			s := &send.Statement{DB: o.pool, SQL: tt.sql}
			err := s.MarkRead(t.Context(), &send.ReadRequest{Workspace: tt.workspace, User: ana, Conversation: first})
			if (err != nil) != tt.fails {
				t.Errorf("error %v", err)
			}
			var mine, others int
			if err := o.admin.QueryRow(t.Context(), "select (select unread_count from conversations where id = $1), (select unread_count from conversations where id = $2)", first, foreign).Scan(&mine, &others); err != nil {
				t.Fatal(err)
			}
			if mine != tt.want || others != 5 {
				t.Errorf("unread %d and, of the other, %d; want %d and 5", mine, others, tt.want)
			}
		})
	}
}

// everyConversation is everybody's: that the outbox itself asks whose one is, is tested.
type everyConversation struct{}

func (everyConversation) Has(context.Context, string, string) (bool, error) { return true, nil }
func (everyConversation) Payload(context.Context, string, string) []byte    { return nil }

// cutConn is a connection that is closed before the answer to a commit.
type cutConn struct {
	net.Conn
	cut *atomic.Bool
}

func (c *cutConn) Write(p []byte) (int, error) {
	n, err := c.Conn.Write(p)
	if err == nil && strings.Contains(strings.ToLower(string(p)), "commit") && c.cut.CompareAndSwap(true, false) {
		// Let the server have it first: its answer is read, and kept.
		_, _ = c.Conn.Read(make([]byte, 1))
		_ = c.Close()
	}
	return n, err
}

func (o *outbox) count(t *testing.T, sql string, args ...any) (n int) {
	t.Helper()
	if err := o.admin.QueryRow(t.Context(), sql, args...).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

func toStore(id string) send.Request {
	return send.Request{Workspace: ours, User: ana, ID: id, Conversation: first, Content: "Olá"}
}

// TestOutboxStoresOnce: the message's row and the outbox's in one transaction, however
// often it is asked for, and whoever listens is told.
func TestOutboxStoresOnce(t *testing.T) {
	t.Parallel()
	o := startOutbox(t)
	if _, err := o.admin.Exec(t.Context(), "listen chat_outbox"); err != nil {
		t.Fatal(err)
	}
	result, err := o.Send(t.Context(), toStore("opt_1"))
	if err != nil || result.Status != send.Pending || result.RowID == "" {
		t.Fatalf("%+v, %v", result, err)
	}
	n, err := o.admin.WaitForNotification(t.Context())
	if err != nil || n.Payload != result.RowID {
		t.Errorf("told %+v, %v", n, err)
	}
	const both = `select count(*) from messages m join chat_outbox b on b.message_id = m.id
		where m.id = $1 and m.status = 'sending' and m.is_outgoing and m.body = 'Olá' and m.client_id = 'opt_1' and m.workspace_id = $2
		and m.sent_by_user_id = $3 and b.client_id = 'opt_1' and b.workspace_id = $2`
	if got := o.count(t, both, result.RowID, ours, ana); got != 1 {
		t.Errorf("%d rows are as they must be", got)
	}
	if again, err := o.Send(t.Context(), toStore("opt_1")); err != nil || again.RowID != result.RowID {
		t.Errorf("again: %+v, %v", again, err)
	}
	// Another bridge, which knows nothing of it.
	other := startOutboxBeside(t, o)
	if again, err := other.Send(t.Context(), toStore("opt_1")); err != nil || again.Status != send.Pending {
		t.Errorf("by another bridge: %+v, %v", again, err)
	}
	if got := o.count(t, "select count(*) from messages"); got != 1 {
		t.Errorf("%d rows", got)
	}
}

// startOutboxBeside is another Sender over the same database, with a file of its own.
func startOutboxBeside(t *testing.T, o *outbox) *send.Sender {
	t.Helper()
	way := o.Way()
	s := send.New(send.Options{Way: way, File: filepath.Join(t.TempDir(), "sends"), Conversations: everyConversation{}, Timeout: 20 * time.Second})
	if err := s.Open(); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.WithoutCancel(t.Context()))
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = s.Run(ctx)
	}()
	t.Cleanup(func() { stop(); <-done })
	return s
}

// TestOutboxOfTwoBridges: the same message to both at once has one row.
func TestOutboxOfTwoBridges(t *testing.T) {
	t.Parallel()
	o := startOutbox(t)
	other := startOutboxBeside(t, o)
	var all sync.WaitGroup
	for _, s := range []*send.Sender{o.Sender, other} {
		for range 5 {
			all.Go(func() {
				if r, err := s.Send(t.Context(), toStore("opt_1")); err != nil || r.Status != send.Pending {
					t.Errorf("%+v, %v", r, err)
				}
			})
		}
	}
	all.Wait()
	if m, b := o.count(t, "select count(*) from messages"), o.count(t, "select count(*) from chat_outbox"); m != 1 || b != 1 {
		t.Errorf("%d rows of messages, %d of the outbox", m, b)
	}
}

// TestOutboxAsksWhoseTheConversationIs, in the very transaction.
func TestOutboxAsksWhoseTheConversationIs(t *testing.T) {
	t.Parallel()
	o := startOutbox(t)
	for _, conversation := range []string{foreign, "no uuid", "c5e00000-0000-4000-8000-00000000000f"} {
		r := toStore("opt_1")
		r.Conversation = conversation
		_, err := o.Send(t.Context(), r)
		var f *send.Fault
		if !errors.As(err, &f) || f.Code != send.CodeConversation {
			t.Errorf("%s: %v", conversation, err)
		}
	}
	if got := o.count(t, "select (select count(*) from messages) + (select count(*) from chat_outbox)"); got != 0 {
		t.Errorf("%d rows", got)
	}
}

// TestOutboxALostCommitIsNoAnswer: it is asked for again, and has one row.
func TestOutboxALostCommitIsNoAnswer(t *testing.T) {
	t.Parallel()
	o := startOutbox(t)
	o.cut.Store(true)
	if r, err := o.Send(t.Context(), toStore("opt_1")); err != nil || r.Status != send.Pending {
		t.Errorf("%+v, %v", r, err)
	}
	if o.cut.Load() {
		t.Error("no commit was cut")
	}
	if m, b := o.count(t, "select count(*) from messages"), o.count(t, "select count(*) from chat_outbox"); m != 1 || b != 1 {
		t.Errorf("%d rows of messages, %d of the outbox", m, b)
	}
}

// TestOutboxKnowsATextAgain by all that it has of it: another under the same id is refused,
// whoever sends it, also where the bridge does not know of the first.
func TestOutboxKnowsATextAgain(t *testing.T) {
	t.Parallel()
	o := startOutbox(t)
	if _, err := o.Send(t.Context(), toStore("opt_1")); err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(*send.Request){
		"text":         func(r *send.Request) { r.Content = "Tchau" },
		"user":         func(r *send.Request) { r.User = "05e40000-0000-4000-8000-00000000000b" },
		"no user":      func(r *send.Request) { r.User = "" },
		"user's form":  func(r *send.Request) { r.User = "bob" },
		"conversation": func(r *send.Request) { r.Conversation = foreign },
	} {
		other := startOutboxBeside(t, o)
		r := toStore("opt_1")
		change(&r)
		_, err := other.Send(t.Context(), r)
		if f, ok := send.AsFault(err); !ok || f.Code != send.CodeReused {
			t.Errorf("another %s: %v", name, err)
		}
		if r, err := other.Send(t.Context(), toStore("opt_1")); name != "text" && (err != nil || r.Status != send.Pending) {
			t.Errorf("the first text after another %s: %+v, %v", name, r, err)
		}
		if told := other.Failures(ours, ana); len(told) != 0 {
			t.Errorf("another %s: clients are told that the first has failed: %s", name, told[0].Payload)
		}
	}
	if m, b := o.count(t, "select count(*) from messages"), o.count(t, "select count(*) from chat_outbox"); m != 1 || b != 1 {
		t.Errorf("%d rows of messages, %d of the outbox", m, b)
	}
}

// TestOutboxWithoutRights: nothing is stored by half, and the message can be sent again.
func TestOutboxWithoutRights(t *testing.T) {
	t.Parallel()
	o := startOutbox(t)
	if _, err := o.admin.Exec(t.Context(), "alter table chat_outbox add constraint broken check (body <> 'Olá')"); err != nil {
		t.Fatal(err)
	}
	_, err := o.Send(t.Context(), toStore("opt_1"))
	var f *send.Fault
	if !errors.As(err, &f) || f.Code != send.CodeFailed || !strings.Contains(f.Message, "23514") {
		t.Errorf("%v", err)
	}
	if got := o.count(t, "select count(*) from messages"); got != 0 {
		t.Errorf("%d rows", got)
	}
	if _, err := o.admin.Exec(t.Context(), "alter table chat_outbox drop constraint broken"); err != nil {
		t.Fatal(err)
	}
	if r, err := o.Send(t.Context(), toStore("opt_1")); err != nil || r.Status != send.Pending {
		t.Errorf("sent again: %+v, %v", r, err)
	}
}

// TestOutboxRefusals are named by what they are of: the message, the tables, or the moment. All
// can be sent again under their ids.
func TestOutboxRefusals(t *testing.T) {
	t.Parallel()
	o := startOutbox(t)
	role := o.pool.Config().ConnConfig.User
	raise := func(code string) string {
		return "create or replace function refuse() returns trigger language plpgsql as $$ begin raise exception 'no' using errcode = '" + code + "'; end $$;" +
			"create or replace trigger refuse before insert on chat_outbox for each row execute function refuse()"
	}
	for _, tt := range []struct {
		code, want, before, after string
		change                    func(*send.Request)
	}{
		{"22P02", send.CodeBadRequest, "", "", func(r *send.Request) { r.User = "bob" }},
		{"22P02", send.CodeBadRequest, "", "", func(r *send.Request) { r.ReplyTo = "3EB01" }},
		{"23503", send.CodeBadRequest, "", "", func(r *send.Request) { r.ReplyTo = "c5e00000-0000-4000-8000-00000000000f" }},
		{"42501", send.CodeFailed, "revoke insert on chat_outbox from " + role, "grant insert on chat_outbox to " + role, nil},
		{"42P01", send.CodeFailed, "alter table messages rename to moved", "alter table moved rename to messages", nil},
		{"P0001", send.CodeFailed, raise("P0001"), "", nil},
		{"25006", send.CodeUnavailable, raise("25006"), "", nil},
		{"57014", send.CodeUnavailable, raise("57014"), "drop trigger refuse on chat_outbox", nil},
	} {
		if _, err := o.admin.Exec(t.Context(), tt.before); err != nil {
			t.Fatal(err)
		}
		r := toStore("opt_1")
		if tt.change != nil {
			tt.change(&r)
		}
		_, err := o.Send(t.Context(), r)
		if f, ok := send.AsFault(err); !ok || f.Code != tt.want || !strings.Contains(f.Message, tt.code) {
			t.Errorf("%s: %+v, want %s", tt.code, f, tt.want)
		}
		if _, err := o.admin.Exec(t.Context(), tt.after); err != nil {
			t.Fatal(err)
		}
	}
	if r, err := o.Send(t.Context(), toStore("opt_1")); err != nil || r.Status != send.Pending {
		t.Errorf("sent again: %+v, %v", r, err)
	}
}
