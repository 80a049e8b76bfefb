package far_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"chatbridge/bridge/far"
	"chatbridge/bridge/hub"
	"chatbridge/internal/schemas"
	"chatbridge/internal/throwaway/pgtest"
	"chatbridge/mapping"
	"chatbridge/mapping/lookup"
	"chatbridge/socketio"

	"github.com/jackc/pgx/v5/pgxpool"
)

const rows = `
create function u(t text) returns uuid language sql immutable as
  $$ select ('00000000-0000-4000-8000-' || lpad(t, 12, '0'))::uuid $$;
insert into contacts (id, workspace_id, name, phone) values (u('a1'), u('f1'), 'Ana', '5511987654321'), (u('a2'), u('f2'), 'Bia', '5511987654322');
insert into conversations (id, workspace_id, contact_id, updated_at) values
  (u('c1'), u('f1'), u('a1'), '2026-01-01'), (u('c2'), u('f1'), u('a1'), '2026-03-01'), (u('c3'), u('f1'), u('a1'), '2026-01-01'), (u('c9'), u('f2'), u('a2'), '2026-03-01');
insert into messages (id, conversation_id, workspace_id, body, status, created_at, external_id) values
  (u('b1'), u('c1'), u('f1'), 'before', 'read', '2026-01-30', 'WA1'), (u('b2'), u('c1'), u('f1'), 'one', 'DELIVERY_ACK', '2026-02-02', null),
  (u('b3'), u('c1'), u('f1'), 'two', 'sent', '2026-02-03', null), (u('b4'), u('c2'), u('f1'), 'elsewhere', 'sent', '2026-02-04', null),
  (u('b8'), u('c1'), u('f2'), 'of another workspace', 'read', '2026-02-03', null), (u('b9'), u('c9'), u('f2'), 'theirs', 'read', '2026-02-03', null);
`

func id(s string) string { return "00000000-0000-4000-8000-" + strings.Repeat("0", 12-len(s)) + s }

func spec(t testing.TB) *mapping.Spec {
	t.Helper()
	s, err := mapping.Load("crm", "")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func pool(t testing.TB, url string) *pgxpool.Pool {
	t.Helper()
	p, err := lookup.NewPool(url, lookup.PoolOptions{MaxConns: 3})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	return p
}

func at(month time.Month, day int) time.Time {
	return time.Date(2026, month, day, 0, 0, 0, 0, time.UTC)
}

// read returns what a Read sends: the event, what it is of, and what it says.
func read(t *testing.T, r *far.Reader, ask *hub.FarAsk) (got []string, rest []hub.FarRest) {
	t.Helper()
	ask.Workspace, ask.Until = id("f1"), at(4, 1)
	rest, err := r.Read(t.Context(), ask, func(packets []hub.FarPacket) error {
		for _, p := range packets {
			got = append(got, line(t, p.Packet))
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
	return got, rest
}

func line(t *testing.T, p *socketio.Packet) string {
	t.Helper()
	var args []json.RawMessage
	var name string
	var e struct {
		ID, MessageID, Content, Status string
		LastMessage                    struct{ Content string }
		Participants                   []struct{ Name string }
	}
	if err := errors.Join(json.Unmarshal(p.Text()[1:], &args), json.Unmarshal(args[0], &name), json.Unmarshal(args[1], &e)); err != nil || len(args) != 2 {
		t.Errorf("%s: %v, %d arguments", p.Text(), err, len(args))
	}
	out := name + " " + strings.TrimLeft(strings.TrimPrefix(e.ID+e.MessageID, "00000000-0000-4000-8000-"), "0")
	for _, s := range []string{e.Content, e.Status, e.LastMessage.Content} {
		if s != "" {
			out += " " + s
		}
	}
	for _, p := range e.Participants {
		out += " " + p.Name
	}
	return out
}

func same(t *testing.T, what string, got []string, want ...string) {
	t.Helper()
	if g, w := strings.Join(got, "\n"), strings.Join(want, "\n"); g != w {
		t.Errorf("%s: got\n%s\nwant\n%s", what, g, w)
	}
}

// TestRead: messages, oldest first, with their present status; the statuses of those
// before, under each id; the conversations that changed. Of the one workspace alone,
// also where another's rows name its conversations.
func TestRead(t *testing.T) {
	t.Parallel()
	r := far.New(pool(t, pgtest.DB(t, schemas.CRM, "alter table conversations disable trigger all", rows)), spec(t), far.DefaultOptions())
	since := at(2, 1)
	got, rest := read(t, r, &hub.FarAsk{Conversations: since, Of: map[string]time.Time{id("c1"): since, "no such": since, id("c9"): since}})
	conversations := []string{"conversation c1 two Ana", "conversation c2 elsewhere Ana"}
	same(t, "one conversation", got, append([]string{"message b2 one delivered", "message b3 two sent", "messageStatus b1 read", "messageStatus WA1 read"}, conversations...)...)
	got, more := read(t, r, &hub.FarAsk{Conversations: since, Messages: since})
	same(t, "all", got, append([]string{
		"message b2 one delivered", "message b3 two sent", "message b4 elsewhere sent", "messageStatus b1 read", "messageStatus WA1 read",
	}, conversations...)...)
	same(t, "what was left out", []string{fmt.Sprint(len(rest) + len(more))}, "0")
	got, _ = read(t, r, &hub.FarAsk{Of: map[string]time.Time{id("c2"): since}})
	same(t, "messages alone", got, "message b4 elsewhere sent")
	// A message that the client may know, which it then ignores, has its status sent.
	got, _ = read(t, r, &hub.FarAsk{Of: map[string]time.Time{id("c2"): at(2, 4).Add(slackHalf)}})
	same(t, "at the edge", got, "message b4 elsewhere sent", "messageStatus b4 sent")
	if s := r.Stats(); s.Readings != 4 || s.Rows != 7 || s.Failures+s.Refused+s.Truncated != 0 || s.Waiting != 0 {
		t.Errorf("counted %+v", s)
	}
}

// slackHalf is below what rows are read earlier than asked for.
const slackHalf = 30 * time.Second

// TestReadNamesTheClientsID: a bubble is found by it, though its row tells it no more.
func TestReadNamesTheClientsID(t *testing.T) {
	t.Parallel()
	o := far.DefaultOptions()
	o.ClientID = func(workspace, key string) string {
		return map[string]string{id("f1") + id("b1"): "opt_1", id("f1") + id("b3"): "opt_<3>"}[workspace+key]
	}
	r := far.New(pool(t, pgtest.DB(t, schemas.CRM, rows)), spec(t), o)
	var got []string
	_, err := r.Read(t.Context(), &hub.FarAsk{Workspace: id("f1"), Of: map[string]time.Time{id("c1"): at(1, 1)}, Until: at(4, 1)}, func(packets []hub.FarPacket) error {
		for _, p := range packets {
			if text := string(p.Text()); strings.HasPrefix(text, `2["message",`) {
				_, metadata, _ := strings.Cut(text, `"metadata":`)
				metadata, _, _ = strings.Cut(metadata, "}")
				got = append(got, metadata)
			}
		}
		return nil
	})
	if want := []string{`{"clientMessageId":"opt_1","providerMessageId":"WA1"`, "", `{"clientMessageId":"opt_<3>"`}; err != nil || !slices.Equal(got, want) {
		t.Errorf("%q, %v; want %q", got, err, want)
	}
}

// TestReadBounded: of more than Rows the newest come, and the rest is said; what is sent
// at once is bounded, also in bytes.
func TestReadBounded(t *testing.T) {
	t.Parallel()
	o := far.DefaultOptions()
	o.Rows = 300
	r := far.New(pool(t, pgtest.DB(t, schemas.CRM, "alter table conversations disable trigger all", rows, `
		insert into messages (conversation_id, workspace_id, body, created_at)
		select u('c1'), u('f1'), n || ' ' || repeat('x', case when n > 390 then 1000000 else 0 end), '2026-03-01'::timestamptz + n * interval '1 minute' from generate_series(1, 400) n`)), spec(t), o)
	since, n, largest := at(2, 1), 0, 0
	ask := &hub.FarAsk{Workspace: id("f1"), Until: at(4, 1), Of: map[string]time.Time{id("c1"): since}}
	first := ""
	rest, err := r.Read(t.Context(), ask, func(packets []hub.FarPacket) error {
		size := 0
		for _, p := range packets {
			size += p.Size()
			if n++; n == 1 {
				first = line(t, p.Packet)
			}
		}
		if largest = max(largest, size); len(packets) > 128 {
			t.Errorf("%d packets at once", len(packets))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(rest) != 1 || rest[0].Conversation != id("c1") || !rest[0].Since.Equal(since) || !rest[0].Until.Equal(at(3, 1).Add(102*time.Minute)) {
		t.Errorf("left out %+v", rest)
	}
	if !strings.Contains(first, " 101 ") || n != 300 || largest > 3<<20 || largest < 1<<20 {
		t.Errorf("%d packets, %d bytes at once, the first is %s", n, largest, first)
	}
	if s := r.Stats(); s.Truncated != 1 {
		t.Errorf("counted %+v", s)
	}
}

// TestReadFails: the error is the database's, and the next reading is refused at once.
// A client that goes is no failure.
func TestReadFails(t *testing.T) {
	t.Parallel()
	url := pgtest.DB(t, schemas.CRM, rows)
	r := far.New(pool(t, url), spec(t), far.DefaultOptions())
	ask := &hub.FarAsk{Workspace: id("f1"), Until: at(4, 1), Conversations: at(1, 1)}
	send := func([]hub.FarPacket) error { return nil }
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := r.Read(gone, ask, send); !errors.Is(err, context.Canceled) {
		t.Errorf("the client has gone: %v", err)
	}
	refused := errors.New("refused")
	if _, err := r.Read(t.Context(), ask, func([]hub.FarPacket) error { return refused }); !errors.Is(err, refused) {
		t.Errorf("sending fails: %v", err)
	}
	if s := r.Stats(); s.Failures != 0 {
		t.Errorf("counted %+v", s)
	}
	if err := pgtest.Exec(t.Context(), url, "alter table messages rename to elsewhere"); err != nil {
		t.Fatal(err)
	}
	ask.Until = time.Now()
	if _, err := r.Read(t.Context(), ask, send); err == nil || errors.Is(err, far.ErrPaused) {
		t.Errorf("without a table: %v", err)
	}
	if _, err := r.Read(t.Context(), ask, send); !errors.Is(err, far.ErrPaused) {
		t.Errorf("just after a failure: %v", err)
	}
	if s := r.Stats(); s.Failures != 1 || s.Refused != 1 {
		t.Errorf("counted %+v", s)
	}
}

// TestReadEnds: a table that is locked keeps a reading no longer than its time limit.
func TestReadEnds(t *testing.T) {
	t.Parallel()
	url := pgtest.DB(t, schemas.CRM, rows)
	o := far.DefaultOptions()
	o.Timeout = 200 * time.Millisecond
	r, locker := far.New(pool(t, url), spec(t), o), pool(t, url)
	tx, err := locker.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = tx.Rollback(context.WithoutCancel(t.Context())) }()
	if _, err := tx.Exec(t.Context(), "lock table conversations"); err != nil {
		t.Fatal(err)
	}
	ask := &hub.FarAsk{Workspace: id("f1"), Until: at(4, 1), Conversations: at(1, 1)}
	if _, err := r.Read(t.Context(), ask, func([]hub.FarPacket) error { return nil }); err == nil {
		t.Error("a locked table was read")
	}
}

// TestReadShared: clients that ask for the same rows are sent what was read for the first
// one, unless what happened since may not be in their log, or they have been given newer; a
// reading of one workspace is never shown to another.
func TestReadShared(t *testing.T) {
	t.Parallel()
	url := pgtest.DB(t, schemas.CRM, "alter table conversations disable trigger all", rows)
	r := far.New(pool(t, url), spec(t), far.DefaultOptions())
	ask := func(until, fresh time.Time) (statuses []string) {
		t.Helper()
		_, err := r.Read(t.Context(), &hub.FarAsk{Workspace: id("f1"), Until: until, Fresh: fresh, Of: map[string]time.Time{id("c2"): at(2, 1)}}, func(packets []hub.FarPacket) error {
			for _, p := range packets {
				statuses = append(statuses, line(t, p.Packet))
			}
			return nil
		})
		if err != nil {
			t.Error(err)
		}
		return statuses
	}
	same(t, "read", ask(at(4, 1), time.Time{}), "message b4 elsewhere sent")
	if err := pgtest.Exec(t.Context(), url, "update messages set status = 'read'"); err != nil {
		t.Fatal(err)
	}
	same(t, "shared", ask(at(4, 1), time.Time{}), "message b4 elsewhere sent")
	if s := r.Stats(); s.Rows != 1 {
		t.Errorf("counted %+v", s)
	}
	same(t, "read again", ask(time.Now(), time.Time{}), "message b4 elsewhere read")
	if s := r.Stats(); s.Rows != 2 {
		t.Errorf("counted %+v", s)
	}
	if err := pgtest.Exec(t.Context(), url, "update messages set status = 'failed'"); err != nil {
		t.Fatal(err)
	}
	same(t, "read for one that has been given newer", ask(at(4, 1), time.Now()), "message b4 elsewhere failed")
	if s := r.Stats(); s.Rows != 3 {
		t.Errorf("counted %+v", s)
	}
}

// TestManyRead: of 300 clients that were away for about an hour and ask at once, each for
// two of ten conversations, each gets all that it missed, and nothing that is older than what
// the first missed by much; the database is asked for each row once, and for few lists.
func TestManyRead(t *testing.T) {
	t.Parallel()
	const clients, each = 300, 30
	r := far.New(pool(t, pgtest.DB(t, schemas.CRM, "alter table conversations disable trigger all", rows, `
		insert into conversations (id, workspace_id, contact_id, updated_at) select u('d' || n), u('f1'), u('a1'), '2026-01-01' from generate_series(0, 9) n;
		insert into messages (conversation_id, workspace_id, body, status, created_at)
		select u('d' || c), u('f1'), c || ' ' || n, 'sent', '2026-03-01'::timestamptz + n * interval '1 minute' from generate_series(0, 9) c, generate_series(1, 30) n`)), spec(t), far.DefaultOptions())
	got, errs := make([][]string, clients), make([]error, clients)
	ask := func(i int) (a, b string, since time.Time) {
		return fmt.Sprint(i % 10), fmt.Sprint((i/10 + i + 1) % 10), at(3, 1).Add(time.Duration(i/10) * time.Minute)
	}
	var all sync.WaitGroup
	for i := range clients {
		all.Go(func() {
			a, b, since := ask(i)
			_, errs[i] = r.Read(t.Context(), &hub.FarAsk{Workspace: id("f1"), Until: at(4, 1), Conversations: since, Of: map[string]time.Time{id("d" + a): since, id("d" + b): since}}, func(packets []hub.FarPacket) error {
				for _, p := range packets {
					got[i] = append(got[i], line(t, p.Packet))
				}
				return nil
			})
		})
	}
	all.Wait()
	for i := range clients {
		a, b, since := ask(i)
		var want []string
		for n := 1; n <= each; n++ {
			if at(3, 1).Add(time.Duration(n) * time.Minute).After(since.Add(-time.Minute)) {
				want = append(want, fmt.Sprint(a, " ", n, " sent"))
				if b != a {
					want = append(want, fmt.Sprint(b, " ", n, " sent"))
				}
			}
		}
		var messages []string
		last, ordered := 0, true
		for _, l := range got[i] {
			if rest, ok := strings.CutPrefix(l, "message "); ok {
				_, text, _ := strings.Cut(rest, " ")
				var c, n int
				_, _ = fmt.Sscan(text, &c, &n)
				ordered, last = ordered && n >= last, n
				messages = append(messages, text)
			}
		}
		slices.Sort(messages)
		slices.Sort(want)
		if errs[i] != nil || !ordered || !slices.Equal(messages, want) {
			t.Fatalf("client %d: %v, in order %v, %d messages: %v\nwant %v", i, errs[i], ordered, len(messages), messages, want)
		}
	}
	// Of each conversation all messages, and as many statuses; all conversations that have
	// messages since, and one that was changed. Lists: of the conversations, and two for
	// each of the others at most.
	if s := r.Stats(); s.Rows != 2*10*each+11 || s.Lists > 21+10 || s.Readings != clients || s.Failures+s.Refused != 0 {
		t.Errorf("counted %+v", s)
	}
}

// TestSharedListsReachBack: who was away for longer than those before it, or was left less
// by what they asked for besides, is served from what it asks for itself. Nobody is served
// from another workspace's.
func TestSharedListsReachBack(t *testing.T) {
	t.Parallel()
	o := far.DefaultOptions()
	o.Rows = 4
	r := far.New(pool(t, pgtest.DB(t, schemas.CRM, "alter table conversations disable trigger all", rows, `insert into messages (id, conversation_id, workspace_id, body, created_at)
		select u('e' || n), u('c2'), u('f1'), 'x', '2026-03-10'::timestamptz + n * interval '1 day' from generate_series(1, 4) n`)), spec(t), o)
	kinds := func(got []string, rest []hub.FarRest) string {
		n := map[string]int{}
		for _, l := range got {
			kind, _, _ := strings.Cut(l, " ")
			n[kind]++
		}
		return fmt.Sprint(n["message"], n["conversation"], len(rest))
	}
	// Both conversations since March: the bound is reached by c2, of c1 there is nothing.
	since := at(3, 11)
	for i, tt := range []struct {
		ask  hub.FarAsk
		want string
	}{
		{hub.FarAsk{Conversations: at(3, 12), Of: map[string]time.Time{id("c1"): at(3, 12), id("c2"): at(3, 12)}}, "3 1 0"},
		{hub.FarAsk{Conversations: at(1, 1), Of: map[string]time.Time{id("c1"): at(1, 1), id("c2"): at(1, 1)}}, "4 3 1"},
		{hub.FarAsk{Conversations: at(1, 1), Of: map[string]time.Time{id("c1"): at(1, 1), id("c2"): at(1, 1)}}, "4 3 1"},
		{hub.FarAsk{Of: map[string]time.Time{id("c1"): at(1, 1)}}, "3 0 0"},
		{hub.FarAsk{Of: map[string]time.Time{id("c2"): since}}, "4 0 0"},
		{hub.FarAsk{Of: map[string]time.Time{id("c2"): at(2, 4).Add(-time.Hour)}}, "4 0 1"},
		{hub.FarAsk{Messages: at(3, 12)}, "3 0 0"},
		{hub.FarAsk{Messages: at(1, 1)}, "4 0 1"},
	} {
		if got := kinds(read(t, r, &tt.ask)); got != tt.want {
			t.Errorf("%d: messages, conversations, gaps: %s; want %s", i, got, tt.want)
		}
	}
	ask := &hub.FarAsk{Workspace: id("f2"), Until: at(4, 1), Conversations: at(1, 1), Messages: at(1, 1), Of: map[string]time.Time{id("c1"): at(1, 1)}}
	if _, err := r.Read(t.Context(), ask, func(packets []hub.FarPacket) error {
		for _, p := range packets {
			if l := line(t, p.Packet); !strings.Contains(l, " b9") && !strings.Contains(l, " b8") && !strings.Contains(l, " c9") {
				t.Errorf("f2 is sent %s", l)
			}
		}
		return nil
	}); err != nil {
		t.Error(err)
	}
}

// TestReadOrdered: messages of one millisecond come in the order of their times.
func TestReadOrdered(t *testing.T) {
	t.Parallel()
	r := far.New(pool(t, pgtest.DB(t, schemas.CRM, rows, `insert into messages (conversation_id, workspace_id, body, status, created_at)
		select u('c1'), u('f1'), 'n' || n, 'sent', '2026-03-10'::timestamptz + n * interval '1 microsecond' from generate_series(1, 20) n`)), spec(t), far.DefaultOptions())
	got, _ := read(t, r, &hub.FarAsk{Of: map[string]time.Time{id("c1"): at(3, 10), id("c2"): at(3, 10)}})
	n := 0
	for _, l := range got {
		if strings.HasPrefix(l, "message ") {
			if n++; !strings.HasSuffix(l, fmt.Sprintf(" n%d sent", n)) {
				t.Errorf("message %d is %s", n, l)
			}
		}
	}
	if n != 20 {
		t.Errorf("%d messages", n)
	}
}

// TestReadAlike: clients that come one after another, each of which left a second before the
// last one, are served from the same lists.
func TestReadAlike(t *testing.T) {
	t.Parallel()
	r := far.New(pool(t, pgtest.DB(t, schemas.CRM, "alter table conversations disable trigger all", rows)), spec(t), far.DefaultOptions())
	for i := range 30 {
		since := at(2, 1).Add(-time.Duration(i) * time.Second)
		got, rest := read(t, r, &hub.FarAsk{Conversations: since, Of: map[string]time.Time{id("c1"): since}})
		if len(got) != 6 || len(rest) != 0 {
			t.Fatalf("got %v, left out %v", got, rest)
		}
	}
	// Three, and where lists begin earlier from one client on, two more.
	if s := r.Stats(); s.Lists > 5 || s.Rows != 5 {
		t.Errorf("counted %+v", s)
	}
}

// TestReadBoundedConversations: which of the conversations were left out does not tell
// when what was missed of them happened: it may have been at any time.
func TestReadBoundedConversations(t *testing.T) {
	t.Parallel()
	o := far.DefaultOptions()
	o.Rows = 1
	r := far.New(pool(t, pgtest.DB(t, schemas.CRM, "alter table conversations disable trigger all", rows)), spec(t), o)
	got, rest := read(t, r, &hub.FarAsk{Conversations: at(2, 1)})
	same(t, "conversations", got, "conversation c2 elsewhere Ana")
	if len(rest) != 1 || rest[0].Conversation != "" || !rest[0].Since.Equal(at(2, 1)) || !rest[0].Until.Equal(at(4, 1)) {
		t.Errorf("left out %+v", rest)
	}
}

// TestReadBoundedBefore: rows that are dated before what was asked for may have been
// committed after that, in a transaction that began before. What a bound leaves out of
// them is told.
func TestReadBoundedBefore(t *testing.T) {
	t.Parallel()
	o := far.DefaultOptions()
	o.Rows = 4
	r := far.New(pool(t, pgtest.DB(t, schemas.CRM, "alter table conversations disable trigger all", rows, `insert into messages (conversation_id, workspace_id, body, created_at)
		select u('c1'), u('f1'), 'x', '2026-03-10' from generate_series(1, 10) n`)), spec(t), o)
	since := at(3, 10).Add(10 * time.Second)
	for _, ask := range []hub.FarAsk{{Of: map[string]time.Time{id("c1"): since}}, {Messages: since}} {
		got, rest := read(t, r, &ask)
		if n := messages(got); n != 4 || len(rest) != 1 || !rest[0].Since.Equal(since) || !rest[0].Until.Equal(at(3, 10).Add(time.Minute)) {
			t.Errorf("all %v: %d messages, left out %+v", ask.Of == nil, n, rest)
		}
	}
}

func messages(lines []string) (n int) {
	for _, l := range lines {
		if strings.HasPrefix(l, "message ") {
			n++
		}
	}
	return n
}

// TestReadBehindRowSecurity: where row level security may hide rows, also from one part of
// a reading to the next, what is asked for counts as left out, and one line says how to
// end that. A policy that shows all rows hides none.
func TestReadBehindRowSecurity(t *testing.T) {
	t.Parallel()
	const role = "far_reader"
	dsn := pgtest.DB(t, schemas.CRM, "alter table conversations disable trigger all", rows, "create role "+role+" login password 'x'", "grant select on all tables in schema public to "+role)
	exec := func(sql string) {
		t.Helper()
		if err := pgtest.Exec(t.Context(), dsn, sql); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() {
		_ = pgtest.Exec(context.WithoutCancel(t.Context()), dsn, "drop owned by "+role, "drop role "+role)
	})
	u, err := url.Parse(dsn)
	if err != nil {
		t.Fatal(err)
	}
	u.User = url.UserPassword(role, "x")
	var log bytes.Buffer
	o := far.DefaultOptions()
	o.Logger = slog.New(slog.NewTextHandler(&log, nil))
	r := far.New(pool(t, u.String()), spec(t), o)
	ask := func() *hub.FarAsk {
		return &hub.FarAsk{Workspace: id("f1"), Until: at(4, 1), Conversations: at(2, 2), Of: map[string]time.Time{id("c1"): at(2, 1)}}
	}
	left := func(what string, want int, send func([]hub.FarPacket) error) {
		t.Helper()
		rest, err := r.Read(t.Context(), ask(), send)
		if err != nil || len(rest) != want || want > 0 && (rest[0].Conversation != "" || !rest[0].Since.Equal(at(2, 1)) || !rest[0].Until.Equal(at(4, 1))) {
			t.Errorf("%s: left out %+v, %v", what, rest, err)
		}
	}
	none := func([]hub.FarPacket) error { return nil }
	left("without", 0, none)
	exec("create policy all_of_them on messages for select using (true); alter table messages enable row level security")
	left("with a policy that shows all", 0, none)
	if log.Len() > 0 {
		t.Errorf("logged %s", &log)
	}
	exec("drop policy all_of_them on messages")
	r = far.New(pool(t, u.String()), spec(t), o) // which shares nothing yet
	left("without a policy", 1, none)
	left("again", 1, none)
	if n := strings.Count(log.String(), "level=WARN"); n != 1 || !strings.Contains(log.String(), "ALTER ROLE "+role+" BYPASSRLS;") || !strings.Contains(log.String(), "public.messages") {
		t.Errorf("logged %s", &log)
	}
	exec("alter table messages disable row level security")
	left("without it again", 0, none)
	r = far.New(pool(t, u.String()), spec(t), o) // which shares nothing yet
	left("from the second part on", 1, func([]hub.FarPacket) error {
		exec("alter table conversations enable row level security")
		return nil
	})
}

// TestReadBoundedBesideTheLog: the bound is for what the log does not have. What it leaves
// out is said before anything is sent. Rows that are dated later than what the log lacks
// may be among that: they are sent, or told of where they are too many.
func TestReadBoundedBesideTheLog(t *testing.T) {
	t.Parallel()
	o := far.DefaultOptions()
	o.Rows = 3
	step := func(n int) time.Time { return at(3, 1).Add(time.Duration(n) * 20 * time.Second) }
	r := far.New(pool(t, pgtest.DB(t, schemas.CRM, rows, `insert into messages (conversation_id, workspace_id, body, created_at)
		select u('c1'), u('f1'), n, '2026-03-01'::timestamptz + n * interval '20 seconds' from generate_series(1, 20) n`)), spec(t), o)
	for _, c := range []struct {
		since, until int
		sent         string
		left         int // the step up to which something is left out
	}{
		{1, 12, "10 11 12 13 14 15", 12},
		{1, 17, "15 16 17 18 19 20", 17},
		{6, 6, "4 5 6 7 8 9", 0}, // three of the minute before, none is left out
		{7, 8, "6 7 8 9 10 11", 8},
	} {
		for _, all := range []bool{false, true} {
			name := fmt.Sprintf("%+v, all %v", c, all)
			sent, told := readNumbers(t, r, name, step(c.since), step(c.until), all)
			if got := strings.Join(sent, " "); got != c.sent {
				t.Errorf("%s: sent %s", name, got)
			}
			if (c.left > 0) != (len(told) == 1) || c.left > 0 && (!told[0].Until.Equal(step(min(c.left, c.until))) || !told[0].Since.Equal(step(c.since))) {
				t.Errorf("%s: told of %+v", name, told)
			}
		}
	}
}

// readNumbers returns which messages of c1 a reading sends, and what it tells before.
func readNumbers(t *testing.T, r *far.Reader, name string, since, until time.Time, all bool) (sent []string, told []hub.FarRest) {
	t.Helper()
	ask := &hub.FarAsk{Workspace: id("f1"), Until: until, LeftOut: func(rest []hub.FarRest) error {
		if len(sent) > 0 {
			t.Errorf("%s: told of %+v after %v", name, rest, sent)
		}
		told = append(told, rest...)
		return nil
	}}
	if ask.Of = map[string]time.Time{id("c1"): since}; all {
		ask.Messages, ask.Of = since, nil
	}
	rest, err := r.Read(t.Context(), ask, func(packets []hub.FarPacket) error {
		for _, p := range packets {
			if name, text, _ := strings.Cut(line(t, p.Packet), " "); name == "message" {
				sent = append(sent, strings.Fields(text)[1])
			}
		}
		return nil
	})
	if err != nil || len(rest) != 0 {
		t.Errorf("%s: %+v is left out without a word, %v", name, rest, err)
	}
	return sent, told
}

// TestReadAheadOfTheLog: of rows that are dated after what the log lacks it is not known
// whether the log has them. Where they are too many, none of them is gone in silence.
func TestReadAheadOfTheLog(t *testing.T) {
	t.Parallel()
	o := far.DefaultOptions()
	o.Rows = 3
	until := at(3, 1)
	r := far.New(pool(t, pgtest.DB(t, schemas.CRM, rows, `insert into messages (conversation_id, workspace_id, body, created_at)
		select u('c1'), u('f1'), n, '2026-03-01'::timestamptz + n * interval '10 seconds' from generate_series(-1, 5) n`)), spec(t), o)
	since := until.Add(-15 * time.Second)
	for _, all := range []bool{false, true} {
		sent, told := readNumbers(t, r, "ahead", since, until, all)
		if len(told) != 1 || !told[0].Since.Equal(since) || !told[0].Until.Equal(until) {
			t.Errorf("all %v: sent %v, told of %+v", all, sent, told)
		}
	}
}
