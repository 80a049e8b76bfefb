package lookup_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"chatbridge/internal/schemas"
	"chatbridge/internal/throwaway/pgtest"
	"chatbridge/mapping"
	"chatbridge/mapping/engine"
	"chatbridge/mapping/lookup"
	"chatbridge/source"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5/pgxpool"
)

func TestMain(m *testing.M) { os.Exit(pgtest.Main(m)) }

// waitLimit bounds every wait; none is expected to take it.
const waitLimit = 30 * time.Second

func spec(t *testing.T, preset, own string) *mapping.Spec {
	t.Helper()
	s, err := mapping.Parse(preset, "own.yaml", []byte(own))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// rows are two conversations of Ana's and one of Bia's, with messages.
const rows = `
create function u(t text) returns uuid language sql immutable as
  $$ select ('00000000-0000-4000-8000-' || lpad(t, 12, '0'))::uuid $$;
insert into contacts (id, workspace_id, name, phone, avatar_url) values
  (u('a1'), u('f1'), 'Ana', '5511987654321', null), (u('a2'), u('f1'), 'Bia "B" \', '5521987654321', 'https://cdn/b');
insert into conversations (id, workspace_id, contact_id, is_typing, updated_at) values
  (u('c1'), u('f1'), u('a1'), false, '2026-01-01 10:00:00.5+00'), (u('c2'), u('f1'), u('a2'), true, '2026-01-01'), (u('c3'), u('f1'), u('a1'), null, '2026-01-01');
insert into messages (id, conversation_id, workspace_id, body, created_at, quoted_message) values
  (u('b1'), u('c1'), u('f1'), 'older', '2026-01-01', '{"a": 1}'), (u('b2'), u('c1'), u('f1'), 'newest', '2026-01-02', '{"b": "\u00e9"}'),
  (u('b3'), u('c1'), u('f1'), 'oldest', '2025-01-01', null), (u('b4'), u('c2'), u('f1'), '', '2026-01-01', null);
`

// id is u() of the SQL.
func id(s string) string { return "00000000-0000-4000-8000-" + strings.Repeat("0", 12-len(s)) + s }

// way is one of the two ways to ask, over the same database.
type way struct {
	name string
	make func(t *testing.T, url string, s *mapping.Spec) *lookup.Lookup
}

var ways = []way{
	{"sql", func(t *testing.T, url string, s *mapping.Spec) *lookup.Lookup {
		return lookup.NewSQL(pool(t, url, nil), s, waitLimit)
	}},
	{"postgrest", func(t *testing.T, url string, s *mapping.Spec) *lookup.Lookup {
		t.Helper()
		server := httptest.NewServer(newRest(t, pool(t, url, nil)))
		t.Cleanup(server.Close)
		l, err := lookup.NewPostgREST(server.URL, fixed(restKey), server.Client(), s, waitLimit)
		if err != nil {
			t.Fatal(err)
		}
		return l
	}},
}

func pool(t *testing.T, url string, dial func(context.Context, string, string) (net.Conn, error)) *pgxpool.Pool {
	t.Helper()
	p, err := lookup.NewPool(url, lookup.PoolOptions{Dial: dial})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	return p
}

// fetch asks and prints what was found, sorted, with the columns that are
// named.
func fetch(t *testing.T, l *lookup.Lookup, s *mapping.Spec, need engine.Need, columns ...string) []string {
	t.Helper()
	var out []string
	err := l.Fetch(&need, func(f engine.Found) {
		table, ok := s.Table(f.Table)
		if !ok || len(f.Row) != len(table.Columns) {
			t.Errorf("found %q with %d values", f.Table, len(f.Row))
			return
		}
		line := f.Table
		if f.Newest {
			line = "newest"
		}
		for i, c := range table.Columns {
			if slices.Contains(columns, c.Name) {
				line += " " + c.Name + "=" + show(f.Row[i])
			}
		}
		out = append(out, strings.ReplaceAll(line, id(""), ""))
	})
	if err != nil {
		t.Fatal(err)
	}
	for i := range out {
		out[i] = strings.ReplaceAll(out[i], "00000000-0000-4000-8000-0000000000", "")
	}
	slices.Sort(out)
	return out
}

// in are keys in a workspace; of are keys of Ana's and Bia's, all the same one.
func in(workspace string, keys ...string) []engine.RowKey {
	var out []engine.RowKey
	for _, k := range keys {
		out = append(out, engine.RowKey{Workspace: workspace, Key: k})
	}
	return out
}

func of(keys ...string) []engine.RowKey { return in(id("f1"), keys...) }

func show(v source.Value) string {
	if v.Kind == source.Text {
		return string(v.Data)
	}
	return "∅"
}

func same(t *testing.T, got []string, want ...string) {
	t.Helper()
	slices.Sort(want)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(- want, + got)\n%s", diff)
	}
}

func TestFetch(t *testing.T) {
	t.Parallel()
	url := pgtest.DB(t, schemas.CRM, rows)
	for _, w := range ways {
		t.Run(w.name, func(t *testing.T) {
			t.Parallel()
			s := spec(t, "crm", "")
			l := w.make(t, url, s)
			same(t, fetch(t, l, s, engine.Need{Conversations: of(id("c1"), id("c2"), id("99"))}, "id", "name", "avatar_url"),
				"conversation id=c1", "conversation id=c2", "contact id=a1 name=Ana avatar_url=∅", `contact id=a2 name=Bia "B" \ avatar_url=https://cdn/b`)
			found := fetch(t, l, s, engine.Need{Newest: of(id("c1"), id("c3"))}, "id", "body")
			same(t, slices.DeleteFunc(found, func(f string) bool { return strings.HasPrefix(f, "conversation") }), "newest id=b2 body=newest")
			same(t, fetch(t, l, s, engine.Need{References: []engine.ReferenceNeed{{Table: "contact", Keys: of(id("a2"))}}}, "id"), "contact id=a2")
			same(t, fetch(t, l, s, engine.Need{Messages: of(id("b1"), id("b2"))}, "id", "quoted_message"),
				`message id=b1 quoted_message={"a": 1}`, `message id=b2 quoted_message={"b": "é"}`)
			related := fetch(t, l, s, engine.Need{Related: []engine.ReferenceNeed{{Table: "contact", Keys: of(id("a1"))}}}, "id")
			same(t, slices.Compact(related), "conversation id=c1", "conversation id=c3", "contact id=a1", "newest id=b2")
			same(t, fetch(t, l, s, engine.Need{}))
			if stats := l.Stats(); stats.Failures != 0 || stats.Fetches != 6 || stats.Rows == 0 || stats.Spent == 0 {
				t.Errorf("stats: %+v", stats)
			}
		})
	}
}

// The rows that point to messages, such as attachments, come in the order of their
// keys, of the message's workspace alone, and not without end.
func TestRowsOfMessages(t *testing.T) {
	t.Parallel()
	url := pgtest.DB(t, schemas.Chatwoot, `insert into messages (account_id, inbox_id, conversation_id, message_type) select 1, 1, 1, 0 from generate_series(1, 3);
insert into attachments (id, message_id, account_id, external_url) values (12, 1, 1, 'b'), (9, 1, 1, 'a'), (10, 1, 2, 'of another account'), (11, 2, 1, 'c');
insert into attachments (id, message_id, account_id) select 100 + i, 3, 1 from generate_series(1, 40) i;`)
	for _, w := range ways {
		t.Run(w.name, func(t *testing.T) {
			t.Parallel()
			s := spec(t, "chatwoot", "")
			l := w.make(t, url, s)
			need := func(keys ...string) engine.Need {
				return engine.Need{Many: []engine.ReferenceNeed{{Table: "file", Keys: in("1", keys...)}}}
			}
			var urls []string
			n := need("1", "2", "4")
			if err := l.Fetch(&n, func(f engine.Found) {
				urls = append(urls, show(f.Row[slices.IndexFunc(s.Tables()[3].Columns, func(c mapping.Column) bool { return c.Name == "external_url" })]))
			}); err != nil {
				t.Fatal(err)
			}
			if got := strings.Join(urls, ""); got != "acb" && got != "abc" {
				t.Errorf("found %s", got)
			}
			if got := fetch(t, l, s, need("3"), "id"); len(got) != engine.ManyLimit {
				t.Errorf("found %d rows", len(got))
			}
		})
	}
}

// Keys of any content reach the database as they are.
func TestOddKeys(t *testing.T) {
	t.Parallel()
	odd := []string{`a"b`, `a\b`, `a,b`, `{a}`, `a b`, `(a)`, "a'b", "ção", "NULL", "", "a%b&c=d"}
	sql := ""
	for _, k := range odd {
		sql += fmt.Sprintf("insert into conversations (id, workspace_id) values ('%s', 'w');\n", strings.ReplaceAll(k, "'", "''"))
	}
	url := pgtest.DB(t, schemas.ChatEngine, sql)
	for _, w := range ways {
		t.Run(w.name, func(t *testing.T) {
			t.Parallel()
			s := spec(t, "chatengine", "")
			var want []string
			for _, k := range odd {
				want = append(want, "conversation id="+k)
			}
			same(t, fetch(t, w.make(t, url, s), s, engine.Need{Conversations: in("w", odd...)}, "id"), want...)
		})
	}
}

// More keys than fit into one address, or one page.
func TestManyKeys(t *testing.T) {
	t.Parallel()
	url := pgtest.DB(t, schemas.ChatEngine, "insert into conversations (id, workspace_id) select 'c' || i, 'w' from generate_series(1, 1000) i")
	for _, w := range ways {
		t.Run(w.name, func(t *testing.T) {
			t.Parallel()
			s := spec(t, "chatengine", "")
			var keys []string
			for i := range 1000 {
				keys = append(keys, fmt.Sprint("c", i+1))
			}
			if got := fetch(t, w.make(t, url, s), s, engine.Need{Conversations: in("w", keys...)}, "id"); len(got) != 1000 {
				t.Errorf("found %d", len(got))
			}
		})
	}
}

// Without foreign keys, and without columns or tables that the preset names,
// the rest is found.
func TestOtherShapes(t *testing.T) {
	t.Parallel()
	url := pgtest.DB(t, schemas.CRM, rows,
		"alter table messages drop constraint messages_conversation_id_fkey; alter table conversations drop constraint conversations_contact_id_fkey",
		"alter table contacts drop column avatar_url; alter table messages drop column quoted_message; alter table conversations drop column remote_jid")
	for _, w := range ways {
		t.Run(w.name, func(t *testing.T) {
			t.Parallel()
			s := spec(t, "crm", "")
			l := w.make(t, url, s)
			for range 2 {
				found := fetch(t, l, s, engine.Need{Conversations: of(id("c1")), Newest: of(id("c1")), Messages: of(id("b1"))},
					"id", "name", "avatar_url", "quoted_message", "remote_jid")
				same(t, slices.Compact(found), "conversation remote_jid=∅ id=c1", "contact id=a1 name=Ana avatar_url=∅", "newest id=b2 quoted_message=∅", "message id=b1 quoted_message=∅")
			}
			related := fetch(t, l, s, engine.Need{Related: []engine.ReferenceNeed{{Table: "contact", Keys: of(id("a1"))}}}, "id")
			same(t, slices.Compact(related), "conversation id=c1", "conversation id=c3", "contact id=a1", "newest id=b2")
		})
	}
}

// A column that goes away between two questions costs no answer.
func TestShapeChanges(t *testing.T) {
	t.Parallel()
	for _, w := range ways {
		t.Run(w.name, func(t *testing.T) {
			t.Parallel()
			url := pgtest.DB(t, schemas.CRM, rows)
			s := spec(t, "crm", "")
			l := w.make(t, url, s)
			need := engine.Need{Conversations: of(id("c2"))}
			same(t, fetch(t, l, s, need, "id", "avatar_url"), "conversation id=c2", "contact id=a2 avatar_url=https://cdn/b")
			if err := pgtest.Exec(t.Context(), url, "alter table contacts drop column avatar_url; alter table conversations add column x int, alter column is_typing type text"); err != nil {
				t.Fatal(err)
			}
			same(t, slices.Compact(fetch(t, l, s, need, "id", "avatar_url")), "conversation id=c2", "contact id=a2 avatar_url=∅")
		})
	}
}

// All that a batch lacks is one round trip: one write, then the answers.
func TestOneRoundTrip(t *testing.T) {
	t.Parallel()
	url := pgtest.DB(t, schemas.CRM, rows)
	var writes atomic.Int64
	dial := func(ctx context.Context, network, address string) (net.Conn, error) {
		c, err := (&net.Dialer{}).DialContext(ctx, network, address)
		return &countingConn{c, &writes}, err
	}
	s := spec(t, "crm", "")
	l := lookup.NewSQL(pool(t, url, dial), s, waitLimit)
	need := engine.Need{
		Conversations: of(id("c1")), Newest: of(id("c1"), id("c2")), Messages: of(id("b1")),
		References: []engine.ReferenceNeed{{Table: "contact", Keys: of(id("a2"))}},
		Related:    []engine.ReferenceNeed{{Table: "contact", Keys: of(id("a1"))}},
	}
	if got := fetch(t, l, s, need, "id"); len(got) < 6 {
		t.Errorf("found %v", got)
	}
	// At once, and after longer than a pool leaves a connection unchecked.
	for _, idle := range []time.Duration{0, 1100 * time.Millisecond} {
		time.Sleep(idle)
		before := writes.Load()
		fetch(t, l, s, need, "id")
		if n := writes.Load() - before; n != 1 {
			t.Errorf("%d writes after %v, want 1", n, idle)
		}
	}
}

// TestWarm: the first question, and the first one after the server has ended all
// connections, take what any other takes where Warm was called before.
func TestWarm(t *testing.T) {
	t.Parallel()
	url := pgtest.DB(t, schemas.CRM, rows)
	var writes, connects atomic.Int64
	dial := func(ctx context.Context, network, address string) (net.Conn, error) {
		connects.Add(1)
		c, err := (&net.Dialer{}).DialContext(ctx, network, address)
		return &countingConn{c, &writes}, err
	}
	s, p := spec(t, "crm", ""), pool(t, url, dial)
	l := lookup.NewSQL(p, s, waitLimit)
	need := engine.Need{Conversations: of(id("c1")), Newest: of(id("c1"))}
	for range 2 {
		if err := l.Warm(t.Context()); err != nil {
			t.Fatal(err)
		}
		wrote, connected := writes.Load(), connects.Load()
		if got := fetch(t, l, s, need, "id"); len(got) < 2 {
			t.Errorf("found %v", got)
		}
		if w, c := writes.Load()-wrote, connects.Load()-connected; w != 1 || c != 0 {
			t.Errorf("%d writes and %d connections made, want 1 and 0", w, c)
		}
		c, err := p.Acquire(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		pid := c.Conn().PgConn().PID()
		c.Release()
		if err := pgtest.Exec(t.Context(), url, fmt.Sprintf("select pg_terminate_backend(%d, 10000)", pid)); err != nil {
			t.Fatal(err)
		}
	}
	if f := l.Stats().Fetches; f != 2 {
		t.Errorf("%d questions counted, want 2", f)
	}
}

// TestWarmWhileAsking: Run and Fetch do not disturb each other.
func TestWarmWhileAsking(t *testing.T) {
	t.Parallel()
	url := pgtest.DB(t, schemas.CRM, rows)
	s := spec(t, "crm", "")
	l := lookup.NewSQL(pool(t, url, nil), s, waitLimit)
	ctx, cancel := context.WithCancel(t.Context())
	var ended sync.WaitGroup
	ended.Go(func() { _ = l.Run(ctx) })
	ended.Go(func() {
		for range 10 {
			if err := l.Warm(ctx); err != nil {
				t.Error(err)
			}
		}
		cancel()
	})
	for ctx.Err() == nil {
		same(t, slices.Compact(fetch(t, l, s, engine.Need{Conversations: of(id("c1"))}, "id")), "conversation id=c1", "contact id=a1")
	}
	ended.Wait()
}

// Connections that the server ended cost no answer: all of the pool, as after its
// restart.
func TestConnectionsEnded(t *testing.T) {
	t.Parallel()
	url := pgtest.DB(t, schemas.CRM, rows)
	s, p := spec(t, "crm", ""), pool(t, url, nil)
	l := lookup.NewSQL(p, s, waitLimit)
	need := engine.Need{Conversations: of(id("c1"))}
	fetch(t, l, s, need, "id")
	var all []*pgxpool.Conn
	for range p.Config().MaxConns {
		c, err := p.Acquire(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, c)
	}
	var pids []uint32
	for _, c := range all {
		pids = append(pids, c.Conn().PgConn().PID())
		c.Release()
	}
	if n := p.Stat().IdleConns(); n != p.Config().MaxConns {
		t.Fatalf("%d idle connections, want %d", n, p.Config().MaxConns)
	}
	for _, pid := range pids {
		// It waits until the session is gone.
		if err := pgtest.Exec(t.Context(), url, fmt.Sprintf("select pg_terminate_backend(%d, 10000)", pid)); err != nil {
			t.Fatal(err)
		}
	}
	same(t, slices.Compact(fetch(t, l, s, need, "id")), "conversation id=c1", "contact id=a1")
}

type countingConn struct {
	net.Conn
	writes *atomic.Int64
}

func (c *countingConn) Write(b []byte) (int, error) {
	c.writes.Add(1)
	return c.Conn.Write(b)
}

// A question that takes too long is given up, and for a moment none is asked.
func TestTimeLimit(t *testing.T) {
	t.Parallel()
	url := pgtest.DB(t, schemas.CRM, rows)
	p := pool(t, url, nil)
	s := spec(t, "crm", "")
	holder, err := pool(t, url, nil).Acquire(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer holder.Release()
	if _, err := holder.Exec(t.Context(), "begin; lock table contacts in access exclusive mode"); err != nil {
		t.Fatal(err)
	}
	l := lookup.NewSQL(p, s, 200*time.Millisecond)
	need := &engine.Need{Conversations: of(id("c1"))}
	found := 0
	err = l.Fetch(need, func(engine.Found) { found++ })
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
	if err := l.Fetch(need, func(engine.Found) {}); !errors.Is(err, lookup.ErrPaused) {
		t.Errorf("asked again at once: %v", err)
	}
	if st := l.Stats(); st.Failures != 1 || st.Paused != 1 || st.LastError == nil || st.LastErrorAt.IsZero() || st.Spent < 150*time.Millisecond {
		t.Errorf("stats: %+v", st)
	}
	if _, err := holder.Exec(t.Context(), "rollback"); err != nil {
		t.Fatal(err)
	}
	// It asks again by itself once the rest is over.
	for deadline := time.Now().Add(waitLimit); ; {
		err := l.Fetch(need, func(engine.Found) { found++ })
		if err == nil {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("did not recover:", err)
		}
		time.Sleep(10 * time.Millisecond) // the rest is a matter of the clock
	}
	if found == 0 {
		t.Error("found nothing after it recovered")
	}
}

// What PostgREST refuses is said with the remedy, and without the key.
func TestRefused(t *testing.T) {
	t.Parallel()
	url := pgtest.DB(t, schemas.CRM)
	server := httptest.NewServer(newRest(t, pool(t, url, nil)))
	defer server.Close()
	s := spec(t, "crm", "")
	l, err := lookup.NewPostgREST(server.URL+"/rest/v1/", fixed("wrong-secret"), server.Client(), s, waitLimit)
	if err != nil {
		t.Fatal(err)
	}
	err = l.Fetch(&engine.Need{Conversations: of(id("c1"))}, func(engine.Found) {})
	if err == nil || !strings.Contains(err.Error(), "lookups need the service key") || strings.Contains(err.Error(), "wrong-secret") {
		t.Errorf("got %v", err)
	}
	for _, address := range []string{"", "ref.supabase.co", "ftp://x", "http://"} {
		if _, err := lookup.NewPostgREST(address, fixed("k"), nil, s, 0); err == nil {
			t.Errorf("took the address %q", address)
		}
	}
	gone := httptest.NewServer(http.NotFoundHandler())
	gone.Close()
	l, err = lookup.NewPostgREST(gone.URL, fixed("k"), nil, s, waitLimit)
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Fetch(&engine.Need{Conversations: of(id("c1"))}, func(engine.Found) {}); err == nil || strings.Contains(err.Error(), "select=") {
		t.Errorf("got %v", err)
	}
}

// A row that becomes visible only after it was asked for is found: the stream
// tells of a commit before Postgres shows it to others. What stays absent is
// given up.
func TestNotVisibleYet(t *testing.T) {
	t.Parallel()
	url := pgtest.DB(t, schemas.CRM, rows, "alter table contacts add column is_real boolean")
	database := newRest(t, pool(t, url, nil))
	var asked atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/contacts") && asked.Add(1) == 2 {
			if err := pgtest.Exec(r.Context(), url, "insert into contacts (id, workspace_id, name, phone) values (u('a9'), u('f1'), 'Late', '5531987654321')"); err != nil {
				t.Error(err)
			}
		}
		database.ServeHTTP(w, r)
	}))
	defer server.Close()
	s := spec(t, "crm", "")
	l, err := lookup.NewPostgREST(server.URL, fixed(restKey), server.Client(), s, waitLimit)
	if err != nil {
		t.Fatal(err)
	}
	contacts := func(keys ...string) engine.Need {
		return engine.Need{References: []engine.ReferenceNeed{{Table: "contact", Keys: of(keys...)}}}
	}
	same(t, fetch(t, l, s, contacts(id("a2"), id("a9")), "id"), "contact id=a2", "contact id=a9")
	if n := l.Stats().Again; n != 1 {
		t.Errorf("asked again %d times, want once", n)
	}
	same(t, fetch(t, l, s, contacts(id("a2"), id("77")), "id"), "contact id=a2")
	if n := l.Stats().Again; n != 4 {
		t.Errorf("asked again %d times for what is not there, want 3", n-1)
	}
}

// A newest message that is gone by the stream was read too early: it is asked for
// again, and in the end given as it was found.
func TestGoneIsAskedForAgain(t *testing.T) {
	t.Parallel()
	for _, w := range ways {
		t.Run(w.name, func(t *testing.T) {
			t.Parallel()
			url := pgtest.DB(t, schemas.CRM, rows)
			s := spec(t, "crm", "")
			l := w.make(t, url, s)
			need := engine.Need{Newest: of(id("c1"), id("c2")), Left: map[engine.Leaving]int64{{Conversation: of(id("c1"))[0], Message: id("b2")}: 0}}
			newest := func() []string {
				found := fetch(t, l, s, need, "id")
				return slices.DeleteFunc(found, func(f string) bool { return strings.HasPrefix(f, "conversation") })
			}
			same(t, newest(), "newest id=b2", "newest id=b4")
			if n := l.Stats().Again; n != 3 {
				t.Errorf("asked again %d times, want 3", n)
			}
			if err := pgtest.Exec(t.Context(), url, "delete from messages where id = u('b2')"); err != nil {
				t.Fatal(err)
			}
			same(t, newest(), "newest id=b1", "newest id=b4")
			if n := l.Stats().Again; n != 3 {
				t.Errorf("asked again %d times for one that was there", n-3)
			}
		})
	}
}

// fixed is a service key that does not change.
func fixed(key string) func() string { return func() string { return key } }

// Keys that are unique in their workspace only: what is found belongs to the
// workspace that was asked for, its contact and its newest message too.
func TestKeysOfAWorkspace(t *testing.T) {
	t.Parallel()
	url := pgtest.DB(t, `
		create table contacts (id text, workspace_id text, name text, phone text, avatar_url text, primary key (workspace_id, id));
		create table conversations (id text, workspace_id text, contact_id text, is_typing bool, updated_at timestamptz, primary key (workspace_id, id));
		create table messages (id text, workspace_id text, conversation_id text, body text, created_at timestamptz, primary key (workspace_id, id));
		insert into contacts select 'ct', w, 'Ana of ' || w from unnest('{w1,w2,w3}'::text[]) w;
		insert into conversations select '5511', w, 'ct' from unnest('{w1,w2,w3}'::text[]) w;
		insert into messages select 'evo-' || i, w, '5511', i || ' of ' || w, '2026-01-01'::timestamptz + (i * case w when 'w1' then 1 else -1 end) * '1 s'::interval
			from unnest('{w1,w2,w3}'::text[]) w, generate_series(1, 3) i;`)
	for _, w := range ways {
		t.Run(w.name, func(t *testing.T) {
			t.Parallel()
			s := spec(t, "crm", "references:\n  contact: {workspace: workspace_id}\n")
			l := w.make(t, url, s)
			both := append(in("w1", "5511"), in("w2", "5511")...)
			same(t, slices.Compact(fetch(t, l, s, engine.Need{Conversations: both, Newest: both}, "workspace_id", "name", "body")),
				"conversation workspace_id=w1", "conversation workspace_id=w2", "contact name=Ana of w1 workspace_id=w1", "contact name=Ana of w2 workspace_id=w2",
				"newest workspace_id=w1 body=3 of w1", "newest workspace_id=w2 body=1 of w2")
			same(t, slices.Compact(fetch(t, l, s, engine.Need{Messages: in("w3", "evo-2"), References: []engine.ReferenceNeed{{Table: "contact", Keys: in("w3", "ct")}}}, "workspace_id", "name", "body")),
				"message workspace_id=w3 body=2 of w3", "contact name=Ana of w3 workspace_id=w3")
			same(t, slices.Compact(fetch(t, l, s, engine.Need{Related: []engine.ReferenceNeed{{Table: "contact", Keys: in("w2", "ct")}}}, "workspace_id", "name", "body")),
				"conversation workspace_id=w2", "contact name=Ana of w2 workspace_id=w2", "newest workspace_id=w2 body=1 of w2")
		})
	}
}
