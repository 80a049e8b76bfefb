package provision_test

import (
	"context"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"chatbridge/internal/schemas"
	"chatbridge/internal/throwaway"
	"chatbridge/internal/throwaway/pgtest"
	"chatbridge/source/postgres/dial"
	"chatbridge/source/postgres/provision"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"
)

func TestMain(m *testing.M) { os.Exit(pgtest.Main(m)) }

// slotFor returns a slot name that is this test's own: slots belong to the
// cluster.
func slotFor(t *testing.T) string {
	var b strings.Builder
	for _, c := range strings.ToLower(t.Name()) {
		if c >= 'a' && c <= 'z' || c >= '0' && c <= '9' {
			b.WriteRune(c)
		} else {
			b.WriteByte('_')
		}
	}
	return b.String()[max(0, b.Len()-63):]
}

func crm(t *testing.T) provision.Want {
	return provision.Want{
		Publication: "bridge", Slot: slotFor(t),
		Tables: []provision.Table{
			{Schema: "public", Name: "messages", Publish: true, Columns: []string{"id", "workspace_id", "body", "status"}, Lookup: true},
			{Schema: "public", Name: "conversations", Publish: true, Columns: []string{"id", "workspace_id", "updated_at"}},
			{Schema: "public", Name: "contacts", Lookup: true, LookupColumns: []string{"id", "name", "phone", "avatar_url"}},
		},
	}
}

func connect(t *testing.T, url string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close(context.WithoutCancel(t.Context())) })
	return conn
}

func inspect(t *testing.T, conn *pgx.Conn, want provision.Want) provision.Report {
	t.Helper()
	r, err := provision.Inspect(t.Context(), conn, want)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestFreshDatabaseIsFixedByItsPlan(t *testing.T) {
	t.Parallel()
	conn := connect(t, pgtest.DB(t, schemas.CRM))
	want := crm(t)
	r := inspect(t, conn, want)
	for _, id := range []string{"publication.missing", "slot.missing"} {
		if f, ok := r.Find(id, ""); !ok || f.Level != provision.Fail || f.Fix == "" {
			t.Errorf("%s: %+v", id, f)
		}
	}
	if len(r.Failures()) != 2 {
		t.Errorf("failures: %+v", r.Failures())
	}
	plan := provision.Plan(r)
	if len(plan) != 2 || plan[0].SQL != `CREATE PUBLICATION "bridge" FOR TABLE "public"."messages", "public"."conversations";` {
		t.Fatalf("plan: %+v", plan)
	}
	if err := provision.Apply(t.Context(), conn, plan); err != nil {
		t.Fatal(err)
	}
	r = inspect(t, conn, want)
	if len(r.Failures()) != 0 || len(provision.Plan(r)) != 0 {
		t.Errorf("after the plan:\n%s", r.String())
	}
}

// brokenState is SQL that breaks something, and the finding that must tell.
type brokenState struct {
	name string
	sql  []string
	edit func(*provision.Want)
	id   string
	// object that the finding is about, where it matters
	object string
	level  provision.Level
	// fix must be in the finding's fix
	fix string
	// runs tells that the fix is SQL that, run as it stands, clears the
	// finding.
	runs bool
}

func TestBrokenStates(t *testing.T) {
	t.Parallel()
	const good = `create publication bridge for table messages, conversations`
	fail, warn := provision.Fail, provision.Warn
	cases := []brokenState{
		{name: "table missing", edit: func(w *provision.Want) { w.Tables[0].Name = "mesages" }, id: "table.missing", object: "public.mesages", level: fail},
		{name: "column missing", sql: []string{`alter table messages drop column body`}, id: "table.columns", object: "public.messages", level: fail, fix: "mapping"},
		{name: "view", sql: []string{`alter table messages rename to m; create view messages as table m`}, id: "table.kind", object: "public.messages", level: fail},
		{name: "unlogged", sql: []string{`create unlogged table notes (id int primary key)`}, edit: func(w *provision.Want) {
			w.Tables = append(w.Tables, provision.Table{Schema: "public", Name: "notes", Publish: true})
		}, id: "table.unlogged", object: "public.notes", level: fail, runs: true},
		{
			name: "no primary key", sql: []string{`alter table messages replica identity default; alter table messages drop constraint messages_pkey cascade`},
			id: "table.identity", object: "public.messages", level: fail, fix: "REPLICA IDENTITY FULL", runs: true,
		},
		{
			name: "deferrable primary key", sql: []string{`alter table contacts drop constraint contacts_pkey cascade; alter table contacts add primary key (id) deferrable`},
			edit: func(w *provision.Want) { w.Tables[2].Publish = true }, id: "table.identity", object: "public.contacts", level: fail,
		},
		{name: "identity nothing", sql: []string{`alter table conversations replica identity nothing`}, id: "table.identity", object: "public.conversations", level: fail, runs: true},
		{
			name: "identity index dropped", sql: []string{`create unique index x on messages (id, created_at); alter table messages replica identity using index x; drop index x`},
			id: "table.identity", object: "public.messages", level: fail, runs: true,
		},
		{name: "published without identity", sql: []string{good, `alter table messages replica identity nothing`}, id: "publication.identity", object: "public.messages", level: fail},
		{name: "publication lacks a table", sql: []string{`create publication bridge for table messages`}, id: "publication.tables", object: "public.conversations", level: fail, fix: "ADD TABLE", runs: true},
		{name: "a table is renamed", sql: []string{good, "alter table messages rename to posts"}, id: "publication.extra", object: "public.posts", level: warn, fix: "if it was renamed"},
		{name: "publication has another", sql: []string{good + ", contacts"}, id: "publication.extra", object: "public.contacts", level: warn, fix: "DROP TABLE", runs: true},
		{name: "publication without update", sql: []string{good + ` with (publish = 'insert')`}, id: "publication.operations", level: fail, runs: true},
		{name: "publication for all tables", sql: []string{`create publication bridge for all tables`}, id: "publication.all_tables", level: warn, fix: "CREATE PUBLICATION"},
		{
			name: "column list drops a column", sql: []string{`alter table messages replica identity default`, `create publication bridge for table messages (id, status), conversations`},
			id: "publication.columns", object: "public.messages", level: fail, runs: true,
		},
		{
			name: "column list under full", sql: []string{`create publication bridge for table messages (id, workspace_id, body, status), conversations`},
			id: "publication.column_list", object: "public.messages", level: fail, runs: true,
		},
		{name: "row filter", sql: []string{`create publication bridge for table messages where (is_outgoing), conversations`}, id: "publication.row_filter", object: "public.messages", level: warn, runs: true},
		{
			name: "partitions", sql: []string{`create table parted (id int primary key) partition by list (id); create table parted_1 partition of parted for values in (1)`, good + ", parted"},
			edit: func(w *provision.Want) {
				w.Tables = append(w.Tables, provision.Table{Schema: "public", Name: "parted", Publish: true})
			}, id: "publication.partitions", object: "public.parted", level: fail, runs: true,
		},
		{name: "slot physical", sql: []string{`select pg_create_physical_replication_slot('SLOT')`}, id: "slot.kind", level: fail},
		{name: "slot of another plugin", sql: []string{`select pg_create_logical_replication_slot('SLOT', 'test_decoding')`}, id: "slot.plugin", level: fail},
		{
			name: "slot far behind", sql: []string{good, `select pg_create_logical_replication_slot('SLOT', 'pgoutput')`, `select pg_logical_emit_message(false, 'x', repeat('x', 3000000))`},
			edit: func(w *provision.Want) { w.MaxLag = 1 << 20 }, id: "slot.lag", level: warn,
		},
		{
			name: "slot half behind", sql: []string{good, `select pg_create_logical_replication_slot('SLOT', 'pgoutput')`, `select pg_logical_emit_message(false, 'x', repeat('x', 3000000))`},
			edit: func(w *provision.Want) { w.MaxLag = 4 << 20 }, id: "slot.lag", level: warn,
		},
		{name: "slot older than the publication", sql: []string{`select pg_create_logical_replication_slot('SLOT', 'pgoutput')`, `create table other (id int); insert into other values (1)`, good}, edit: func(w *provision.Want) { w.Check = true }, id: "slot.older", level: warn, fix: "pg_drop_replication_slot", runs: true},
		{
			name: "another slot that nobody reads", sql: []string{good, `select pg_create_logical_replication_slot('SLOT_other', 'pgoutput')`, `select pg_logical_emit_message(false, 'x', repeat('x', 3000000))`},
			edit: func(w *provision.Want) { w.Check, w.MaxLag = true, 4<<20 }, id: "slot.unread", level: warn, fix: "_other'", runs: true,
		},
		{name: "superuser", id: "role.superuser", level: warn},
		{name: "keep unlimited", id: "server.slot_keep", level: warn, fix: "max_slot_wal_keep_size"},
	}
	shared := pgtest.DB(t, schemas.CRM)
	// A cluster without others' databases, whose log only these tests write.
	alone := pgtest.Cluster(t, throwaway.Options{TCP: true})
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			want := crm(t)
			if c.edit != nil {
				c.edit(&want)
			}
			var conn *pgx.Conn
			if strings.Contains(strings.Join(c.sql, ""), "SLOT") {
				conn = connect(t, pgtest.On(t, alone, schemas.CRM))
				t.Cleanup(func() {
					// A physical slot belongs to no database.
					_, _ = conn.Exec(context.WithoutCancel(t.Context()), "select pg_drop_replication_slot(slot_name) from pg_replication_slots where slot_name = $1", want.Slot)
				})
			} else {
				// All that is done to the database is rolled back.
				conn = connect(t, shared)
				if _, err := conn.Exec(t.Context(), "begin"); err != nil {
					t.Fatal(err)
				}
			}
			for _, s := range c.sql {
				if _, err := conn.PgConn().Exec(t.Context(), strings.ReplaceAll(s, "SLOT", want.Slot)).ReadAll(); err != nil {
					t.Fatalf("%s: %v", s, err)
				}
			}
			c.check(t, conn, want)
		})
	}
}

// check expects the finding, and its fix to fix it.
func (c *brokenState) check(t *testing.T, conn *pgx.Conn, want provision.Want) {
	t.Helper()
	r := inspect(t, conn, want)
	f, ok := r.Find(c.id, c.object)
	if !ok || f.Level != c.level || f.What == "" || f.Meaning == "" || !strings.Contains(f.Fix, c.fix) || f.Fix == "" {
		t.Fatalf("finding %s: %+v, in\n%s", c.id, f, r.String())
	}
	if !c.runs {
		return
	}
	// Each statement by itself, as a user would paste them.
	for line := range strings.Lines(f.Fix) {
		for _, s := range strings.SplitAfter(strings.Split(line, "--")[0], ";") {
			if _, err := conn.Exec(t.Context(), s); err != nil {
				t.Fatalf("the fix %q: %v", s, err)
			}
		}
	}
	r = inspect(t, conn, want)
	if f, ok := r.Find(c.id, c.object); ok && f.Level == c.level {
		t.Errorf("the fix does not fix it: %+v", f)
	}
}

// TestOffers: what is worth having is reported, and printed apart from what is needed.
func TestOffers(t *testing.T) {
	t.Parallel()
	url := pgtest.DB(t, schemas.CRM, `drop index messages_by_conversation`, `create publication bridge for table messages, conversations`)
	conn := connect(t, url)
	want := crm(t)
	want.Tables[0].Newest = &provision.Newest{Conversation: "conversation_id", Workspace: "workspace_id", Time: "created_at"}
	want.Tables[2].Offer, want.Tables[2].ByOperator = "another name shows late", true
	r := inspect(t, conn, want)
	for id, object := range map[string]string{"table.index": "public.messages", "publication.offer": "public.contacts"} {
		if f, ok := r.Find(id, object); !ok || f.Level != provision.Warn || f.Fix == "" || f.Meaning == "" {
			t.Errorf("%s: %+v", id, f)
		}
	}
	var offers []string
	for _, s := range provision.Offers(r) {
		offers = append(offers, s.SQL)
		for _, needed := range provision.Plan(r) {
			if needed.SQL == s.SQL {
				t.Errorf("%s is among what is needed", s.SQL)
			}
		}
		if _, err := conn.Exec(t.Context(), s.SQL); err != nil {
			t.Errorf("%s: %v", s.SQL, err)
		}
	}
	if got := strings.Join(offers, "\n"); got != "ALTER PUBLICATION \"bridge\" ADD TABLE \"public\".\"contacts\";\nCREATE INDEX CONCURRENTLY ON \"public\".\"messages\" (\"conversation_id\", \"created_at\");" {
		t.Errorf("offers:\n%s", got)
	}
	r = inspect(t, conn, want)
	for _, f := range r.Findings {
		if strings.HasPrefix(f.ID, "table.index") || strings.HasPrefix(f.ID, "publication.") {
			if f.Level != provision.OK {
				t.Errorf("after the offers: %+v", f)
			}
		}
	}
	if offers := provision.Offers(r); len(offers) > 0 {
		t.Errorf("offered again: %+v", offers)
	}
}

// TestIndexForNewest: an index serves where the conversation, and the workspace if it
// is there, come before the time.
func TestIndexForNewest(t *testing.T) {
	t.Parallel()
	url := pgtest.DB(t, schemas.CRM, `drop index messages_by_conversation`)
	want := crm(t)
	want.Tables[0].Newest = &provision.Newest{Conversation: "conversation_id", Workspace: "workspace_id", Time: "created_at"}
	for index, level := range map[string]provision.Level{
		"(conversation_id, created_at)":                                  provision.OK,
		"(conversation_id, workspace_id, created_at desc, id)":           provision.OK,
		"(workspace_id, conversation_id, created_at)":                    provision.OK,
		"(workspace_id, created_at)":                                     provision.Warn,
		"(created_at, conversation_id)":                                  provision.Warn,
		"(conversation_id, status, created_at)":                          provision.Warn,
		"(conversation_id, created_at) where body is not null":           provision.Warn,
		"(conversation_id, (created_at at time zone 'UTC'), created_at)": provision.Warn,
		"(conversation_id)":                                              provision.Warn,
	} {
		conn := connect(t, url)
		for _, sql := range []string{"begin", "create index on messages " + index} {
			if _, err := conn.Exec(t.Context(), sql); err != nil {
				t.Fatalf("%s: %v", index, err)
			}
		}
		r := inspect(t, conn, want)
		if f, ok := r.Find("table.index", "public.messages"); !ok || f.Level != level {
			t.Errorf("%s: %+v", index, f)
		}
		if _, err := conn.Exec(t.Context(), "rollback"); err != nil {
			t.Fatal(err)
		}
	}
}

// TestPlanDoesNotBreakTheApplication publishes nothing whose updates would
// then fail, and says so.
func TestPlanDoesNotBreakTheApplication(t *testing.T) {
	t.Parallel()
	conn := connect(t, pgtest.DB(t, schemas.CRM, `drop publication supabase_realtime`,
		`alter table messages replica identity default; alter table messages drop constraint messages_pkey cascade`,
		`insert into contacts (id, workspace_id, name, phone) values ('00000000-0000-0000-0000-000000000001', gen_random_uuid(), 'A', '1')`,
		`insert into conversations (id, contact_id, workspace_id) values ('00000000-0000-0000-0000-000000000002', '00000000-0000-0000-0000-000000000001', gen_random_uuid())`,
		`insert into messages (conversation_id, workspace_id, body) values ('00000000-0000-0000-0000-000000000002', gen_random_uuid(), 'x')`))
	want := crm(t)
	if err := provision.Apply(t.Context(), conn, provision.Plan(inspect(t, conn, want))); err != nil {
		t.Fatal(err)
	}
	for _, sql := range []string{`update messages set status = 'read'`, `update conversations set is_typing = true`, `delete from messages`, `delete from conversations`} {
		if _, err := conn.Exec(t.Context(), sql); err != nil {
			t.Errorf("the application's %s: %v", sql, err)
		}
	}
	r := inspect(t, conn, want)
	if f, ok := r.Find("table.identity", "public.messages"); !ok || f.Level != provision.Fail {
		t.Errorf("messages: %+v", f)
	}
	if _, ok := r.Find("publication.tables", "public.conversations"); !ok {
		t.Error("conversations are not published")
	}
}

func TestServerStates(t *testing.T) {
	t.Parallel()
	c := pgtest.Cluster(t, throwaway.Options{TCP: true, Settings: map[string]string{
		"wal_level": "replica", "max_replication_slots": "1", "max_slot_wal_keep_size": "64MB",
		"synchronous_standby_names": "*", "synchronous_commit": "local",
	}})
	url := pgtest.On(t, c, schemas.CRM, `select pg_create_physical_replication_slot('somebody')`)
	r := inspect(t, connect(t, url), crm(t))
	for id, level := range map[string]provision.Level{
		"server.wal_level": provision.Fail, "server.slots": provision.Fail,
		"server.slot_keep": provision.Warn, "server.sync_standby": provision.Fail, "server.version": provision.OK,
	} {
		if f, ok := r.Find(id, ""); !ok || f.Level != level || (level != provision.OK && f.Fix == "") {
			t.Errorf("%s: %+v", id, f)
		}
	}
}

func TestLeastPrivilege(t *testing.T) {
	t.Parallel()
	c := pgtest.Cluster(t, throwaway.Options{TCP: true})
	admin := pgtest.On(t, c, schemas.CRM, `alter table contacts enable row level security`)
	want := crm(t)
	ctx := t.Context()

	// A role without any right.
	if err := pgtest.Exec(ctx, admin, `create role poor login password 'x'`); err != nil {
		t.Fatal(err)
	}
	r := inspect(t, connect(t, as(t, admin, "poor")), want)
	for _, id := range []string{"role.replication", "role.select"} {
		if f, ok := r.Find(id, ""); !ok || f.Level != provision.Fail || f.Fix == "" {
			t.Errorf("%s: %+v", id, f)
		}
	}
	err := provision.Apply(ctx, connect(t, as(t, admin, "poor")), provision.Plan(r))
	if err == nil || !strings.Contains(err.Error(), "CREATE PUBLICATION") {
		t.Errorf("poor applies the plan: %v", err)
	}

	// The role that we print, as it stands, and the publication by the owner.
	for _, s := range provision.RoleSQL(want, "bridge") {
		if err := pgtest.Exec(ctx, admin, s.SQL); err != nil {
			t.Fatal(err)
		}
	}
	if conn, err := pgx.Connect(ctx, as(t, admin, "bridge")); err == nil {
		_ = conn.Close(ctx)
		t.Error("the role logs in before it has a password")
	}
	if err := pgtest.Exec(ctx, admin, `alter role bridge password 'x'`); err != nil {
		t.Fatal(err)
	}
	if err := provision.Apply(ctx, connect(t, admin), provision.Plan(r)); err != nil {
		t.Fatal(err)
	}
	url := as(t, admin, "bridge")
	conn := connect(t, url)
	if r := inspect(t, conn, want); len(r.Failures()) > 0 {
		t.Errorf("the least role fails:\n%s", r.String())
	} else if f, ok := r.Find("slot.older", ""); ok {
		// On a cluster with no other transactions, which would blur it.
		t.Errorf("the publication came before the slot: %+v", f)
	}
	if f, ok := finding(t, conn, want, "role.rls"); ok {
		t.Errorf("the policy that we print does not count: %+v", f)
	}
	for _, sql := range []string{`create policy half on contacts as restrictive to bridge using (name <> '')`, `drop policy half on contacts; alter policy bridge_reads on contacts using (name <> '')`} {
		if err := pgtest.Exec(ctx, admin, sql); err != nil {
			t.Fatal(err)
		}
		if f, ok := finding(t, conn, want, "role.rls"); !ok || f.Level != provision.Warn {
			t.Errorf("%s: %+v", sql, f)
		}
	}
	if f := provision.Replication(ctx, "source.postgres.url", url); f.Level != provision.OK {
		t.Errorf("replication: %+v", f)
	}
	for sql, may := range map[string]bool{
		`select id, name, phone, avatar_url from contacts`: true, `select email from contacts`: false,
		`update contacts set name = ''`: false, `select * from workspace_members`: false,
	} {
		if _, err := conn.Exec(ctx, sql); (err == nil) != may {
			t.Errorf("%s: %v, want allowed %v", sql, err, may)
		}
	}
	if f := provision.Replication(ctx, "source.postgres.url", as(t, admin, "poor")); f.ID != "role.replication" || f.Level != provision.Fail {
		t.Errorf("poor for replication: %+v", f)
	}
}

// finding returns the finding of that id.
func finding(t *testing.T, conn *pgx.Conn, want provision.Want, id string) (provision.Finding, bool) {
	t.Helper()
	r := inspect(t, conn, want)
	return r.Find(id, "")
}

// as returns the address for another role with the password x.
func as(t *testing.T, address, role string) string {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	u.User = url.UserPassword(role, "x")
	return u.String()
}

func TestConnectErrors(t *testing.T) {
	t.Parallel()
	good := pgtest.DB(t)
	wrong := func(edit func(*url.URL)) string {
		u, err := url.Parse(good)
		if err != nil {
			t.Fatal(err)
		}
		edit(u)
		return u.String()
	}
	for id, address := range map[string]string{
		"connect.replication": good,
		"connect.password":    wrong(func(u *url.URL) { u.User = url.UserPassword("postgres", "wrong") }),
		"connect.database":    wrong(func(u *url.URL) { u.Path = "/nowhere" }),
		"connect.refused":     wrong(func(u *url.URL) { u.Host = "127.0.0.1:1" }),
		"connect.url":         "postgres://%zz",
	} {
		f := provision.Replication(t.Context(), "source.postgres.url", address)
		if f.ID != id || (f.Level == provision.OK) != (id == "connect.replication") || (f.Level != provision.OK && f.Fix == "") {
			t.Errorf("want %s, got %+v", id, f)
		}
	}
}

// TestVersions: the catalogs differ between versions.
func TestVersions(t *testing.T) {
	t.Parallel()
	for _, v := range pgtest.Versions(t, "17", "18") {
		t.Run(v, func(t *testing.T) {
			t.Parallel()
			c := pgtest.Cluster(t, throwaway.Options{Bin: pgtest.Version(t, v), TCP: true, Settings: map[string]string{"max_slot_wal_keep_size": "1GB"}})
			conn := connect(t, pgtest.On(t, c, schemas.CRM))
			want := crm(t)
			if err := provision.Apply(t.Context(), conn, provision.Plan(inspect(t, conn, want))); err != nil {
				t.Fatal(err)
			}
			r := inspect(t, conn, want)
			if len(r.Failures()) > 0 {
				t.Errorf("after the plan:\n%s", r.String())
			}
			// All that is left to say is that we are a superuser.
			for _, f := range r.Findings {
				if f.Level == provision.Warn && f.ID != "role.superuser" {
					t.Errorf("%+v", f)
				}
			}
			if v >= "18" {
				idleTimeout(t, conn, want)
			}
		})
	}
}

// idleTimeout: from Postgres 18 on the server may drop the slot of a bridge that is
// away.
func idleTimeout(t *testing.T, conn *pgx.Conn, want provision.Want) {
	run := func(sql string) {
		t.Helper()
		if _, err := conn.PgConn().Exec(t.Context(), sql).ReadAll(); err != nil {
			t.Fatalf("%s: %v", sql, err)
		}
	}
	find := func(there bool) (f provision.Finding) {
		t.Helper()
		await(t, "server.idle_slot", func() bool {
			var ok bool
			r := inspect(t, conn, want)
			f, ok = r.Find("server.idle_slot", "")
			return ok == there
		})
		return f
	}
	run(`alter system set idle_replication_slot_timeout = '2h'`)
	run(`select pg_reload_conf()`)
	f := find(true)
	if f.Level != provision.Warn || !strings.Contains(f.What, "7200 s") {
		t.Errorf("%+v", f)
	}
	for s := range strings.SplitAfterSeq(f.Fix, ";") {
		run(s)
	}
	find(false)
}

// await waits until ok returns true: a server takes new settings in its own time.
func await(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); !ok(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("waited for", what)
		}
	}
}

// TestSlotInUse: a slot that something else reads is a failure, one that a
// bridge reads is not.
func TestSlotInUse(t *testing.T) {
	t.Parallel()
	for name, level := range map[string]provision.Level{"other": provision.Fail, "chatbridge": provision.OK, "chatbridge crm-1/42": provision.OK, "chatbridge-check": provision.Fail} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			url := pgtest.DB(t, schemas.CRM)
			want := crm(t)
			conn := connect(t, url)
			if err := provision.Apply(t.Context(), conn, provision.Plan(inspect(t, conn, want))); err != nil {
				t.Fatal(err)
			}
			cfg, err := pgconn.ParseConfig(url)
			if err != nil {
				t.Fatal(err)
			}
			cfg.RuntimeParams["replication"] = "database"
			cfg.RuntimeParams["application_name"] = name
			reader, err := pgconn.ConnectConfig(t.Context(), cfg)
			if err != nil {
				t.Fatal(err)
			}
			defer reader.Close(context.WithoutCancel(t.Context()))
			reader.Frontend().SendQuery(&pgproto3.Query{String: `START_REPLICATION SLOT "` + want.Slot + `" LOGICAL 0/0 (proto_version '1', publication_names '"bridge"')`})
			if err := reader.Frontend().Flush(); err != nil {
				t.Fatal(err)
			}
			if msg, err := reader.ReceiveMessage(t.Context()); err != nil {
				t.Fatal(err)
			} else if _, ok := msg.(*pgproto3.CopyBothResponse); !ok {
				t.Fatalf("%T", msg)
			}
			r := inspect(t, conn, want)
			if f, ok := r.Find("slot.active", ""); !ok || f.Level != level || !strings.Contains(f.What, map[string]string{"other": "other", "chatbridge": "bridge", "chatbridge crm-1/42": "the bridge crm-1/42", "chatbridge-check": "chatbridge-check"}[name]) {
				t.Errorf("%+v", f)
			}
		})
	}
}

// TestRolesThatTheServerRefuses: each has the statement that admits the role.
func TestRolesThatTheServerRefuses(t *testing.T) {
	t.Parallel()
	c := pgtest.Cluster(t, throwaway.Options{TCP: true})
	url := pgtest.On(t, c, `create role "no login" nologin password 'x'`, `create role crowd login replication connection limit 0 password 'x'`,
		`create role reader login password 'x'`)
	for role, want := range map[string]struct{ id, fix string }{
		"no login": {"connect.login", `ALTER ROLE "no login" LOGIN;`},
		"crowd":    {"connect.limit", `ALTER ROLE "crowd" CONNECTION LIMIT -1;`},
		"reader":   {"role.replication", `ALTER ROLE "reader" REPLICATION;`},
	} {
		f := provision.Replication(t.Context(), "source.postgres.url", as(t, url, role))
		if role == "crowd" { // the limit is not for replication connections
			_, err := dial.Connect(t.Context(), as(t, url, role), "test", 10*time.Second)
			f = provision.Connect("source.postgres.url", err)
		}
		if f.ID != want.id || !strings.HasPrefix(f.Fix, want.fix) {
			t.Errorf("%s: want %v: %+v", role, want, f)
		}
		if role != "reader" {
			continue
		}
		conn := connect(t, as(t, url, role))
		crm := crm(t)
		crm.Check = true
		report := inspect(t, conn, crm)
		if f, found := report.Find("slot.missing", ""); !found || !strings.Contains(f.Meaning, "create is never") {
			t.Errorf("%+v", f)
		}
	}
}
