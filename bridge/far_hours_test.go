package bridge_test

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"chatbridge/bridge/hub"
	"chatbridge/internal/ports"
	"chatbridge/internal/schemas"
	"chatbridge/internal/sioclient"
	"chatbridge/internal/throwaway/pgtest"
	"chatbridge/source"
)

// hoursWorld is how large TestAwayForHours is.
type hoursWorld struct {
	workspaces, conversations, clients int // each workspace has conversations and clients
	every                              time.Duration
	timeout                            time.Duration
}

// TestAwayForHours: clients that were away for two minutes, an hour and thirty hours, by
// the rows' times, come back at once, and the bridge is restarted while they are caught up.
// In the end each shows what the database has of its conversation, in order and with the
// present statuses. Those that were away for longer than replay.far are told of a gap up to
// there, the others of none. FAR=full has 2,000 clients come back, and measures.
func TestAwayForHours(t *testing.T) {
	t.Parallel()
	size := hoursWorld{workspaces: 2, conversations: 4, clients: 25, every: 40 * time.Minute, timeout: time.Minute}
	if os.Getenv("FAR") == "full" {
		size = hoursWorld{workspaces: 20, conversations: 20, clients: 100, every: 20 * time.Minute, timeout: 10 * time.Minute}
	}
	dsn := pgtest.DB(t, schemas.CRM)
	conn, err := pgx.Connect(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.WithoutCancel(t.Context()))
	w := &hoursTest{t: t, size: size, dsn: dsn, conn: conn, now: time.Now().Truncate(time.Millisecond)}
	w.fill()

	listen, err := ports.Free()
	if err != nil {
		t.Fatal(err)
	}
	start := func() *daemonTest {
		d := startDaemon(t, dsn, "BRIDGE_REPLAY_WINDOW=0s", "BRIDGE_LISTEN="+listen)
		d.ready()
		return d
	}
	d := start()
	cost := w.cost()
	stayed := w.stay(d)
	var before []time.Duration
	for range 20 {
		before = append(before, stayed())
	}
	began := time.Now()
	clients := w.comeBack(d.url)
	d.await("the first to be caught up", func() bool { return d.Snapshot().Hub.FarPackets > 0 })
	first := d.Snapshot()
	d.stop()
	d = start()
	stayed = w.stay(d)
	var during []time.Duration
	deadline := time.Now().Add(size.timeout)
	for {
		during = append(during, stayed())
		waiting := slices.ContainsFunc(clients, func(c *hoursClient) bool { return !c.complete() })
		if !waiting {
			break
		}
		if time.Now().After(deadline) {
			break // each says what it lacks
		}
	}
	took := time.Since(began)
	for _, c := range clients {
		c.check(t)
	}
	s := d.Snapshot()
	after := w.cost()
	t.Logf("%d clients, %d messages of %d in all: %v; %d catch-ups in %d readings and %d rows of the tables, %v of the database's time, %v of waiting together; "+
		"the database: %d transactions, %d rows returned; another client's median delay %v, before %v; the longest tenth %v, before %v",
		len(clients), w.messages, w.rows(), took, s.Hub.FarHealed+first.Hub.FarHealed, s.Far.Readings+first.Far.Readings, s.Far.Rows+first.Far.Rows,
		s.Far.Spent+first.Far.Spent, s.Far.Waited+first.Far.Waited, after.transactions-cost.transactions, after.rows-cost.rows,
		quantile(during, 0.5), quantile(before, 0.5), quantile(during, 0.9), quantile(before, 0.9))
	if s.Hub.FarFailed > 0 || s.Far.Failures+s.Far.Refused > 0 {
		t.Errorf("%d failed, %+v", s.Hub.FarFailed, s.Far)
	}
}

func quantile(all []time.Duration, q float64) time.Duration {
	all = slices.Sorted(slices.Values(all))
	return all[int(float64(len(all)-1)*q)]
}

// hoursTest is a database with messages of the last thirty hours.
type hoursTest struct {
	t        *testing.T
	size     hoursWorld
	dsn      string
	conn     *pgx.Conn
	now      time.Time
	messages int // of one conversation
	sent     int
}

// away is how long each third of the clients was.
var away = []time.Duration{2 * time.Minute, time.Hour, 30 * time.Hour}

func (w *hoursTest) workspace(i int) string {
	return fmt.Sprintf("5a1e0000-0000-4000-8000-%012d", i)
}

func (w *hoursTest) conversation(workspace, i int) string {
	return fmt.Sprintf("c0000000-0000-4000-8000-%06d%06d", workspace, i)
}

// fill inserts messages of the last 31 hours, some in the last two minutes; those of the
// minutes before a client left, and a few newer, were read since.
func (w *hoursTest) fill() {
	w.t.Helper()
	for ws := range w.size.workspaces {
		// One more conversation than is missed, for a client that stays.
		for i := range w.size.conversations + 1 {
			w.exec(`with c as (insert into contacts (workspace_id, name, phone) values ($1, 'Ana', $3) returning id)
				insert into conversations (id, workspace_id, contact_id, created_at, last_message_at, updated_at)
				select $2, $1, id, $4::timestamptz - interval '31 hours', $4, $4 from c`, w.workspace(ws), w.conversation(ws, i), fmt.Sprintf("5511%03d%05d", ws, i), w.now)
		}
	}
	old := int(31*time.Hour/w.size.every) + 1
	w.messages = old + 10
	w.exec(`insert into messages (workspace_id, conversation_id, body, status, is_outgoing, sender_jid, created_at)
		select c.workspace_id, c.id, 'm ' || n, case when n % 7 = 0 then 'read' else 'delivered' end, n % 7 = 0, '5511999999999@s.whatsapp.net',
			case when n <= $1 then $2::timestamptz - interval '31 hours' + n * $3::interval - interval '150 seconds' else $2::timestamptz - interval '100 seconds' + (n - $1) * interval '5 seconds' end
		from conversations c, generate_series(1, $4::int) n where right(c.id::text, 6)::int < $5`,
		old-1, w.now, w.size.every, w.messages, w.size.conversations)
	w.exec("analyze")
}

func (w *hoursTest) exec(sql string, args ...any) {
	w.t.Helper()
	if _, err := w.conn.Exec(w.t.Context(), sql, args...); err != nil {
		w.t.Fatal(err)
	}
}

func (w *hoursTest) rows() int { return w.messages * w.size.conversations * w.size.workspaces }

// stored is a conversation as the database has it.
func (w *hoursTest) stored(conversation string) (all []storedMessage) {
	w.t.Helper()
	rows, err := w.conn.Query(w.t.Context(), `select id::text, status, created_at from messages where conversation_id = $1 order by created_at, id`, conversation)
	if err != nil {
		w.t.Fatal(err)
	}
	all, err = pgx.CollectRows(rows, pgx.RowToStructByPos[storedMessage])
	if err != nil {
		w.t.Fatal(err)
	}
	return all
}

type storedMessage struct {
	ID, Status string
	At         time.Time
}

// cost is what the database has done until now.
func (w *hoursTest) cost() (c struct{ transactions, rows int64 }) {
	w.t.Helper()
	if err := w.conn.QueryRow(w.t.Context(), `select xact_commit, tup_returned from pg_stat_database where datname = current_database()`).Scan(&c.transactions, &c.rows); err != nil {
		w.t.Fatal(err)
	}
	return c
}

// stay connects a client that stays, in a conversation of its own, and returns what
// measures from a message's INSERT to its arrival.
func (w *hoursTest) stay(d *daemonTest) (latency func() time.Duration) {
	conversation := w.conversation(0, w.size.conversations)
	c := d.clientOf(w.workspace(0), conversation)
	return func() time.Duration {
		w.sent++
		body, began := fmt.Sprintf("live %d", w.sent), time.Now()
		w.exec(insertMessage, w.workspace(0), conversation, body)
		c.await(body, func(events []event) bool { return bodies(events[max(len(events)-50, 0):])[body] })
		return time.Since(began)
	}
}

// hoursClient is a page that was away: it shows what it had when it left, and what came.
type hoursClient struct {
	conversation string
	away         time.Duration
	want         []storedMessage

	mu     sync.Mutex
	ids    []string
	status map[string]string
	gaps   []time.Time // until when
}

// comeBack connects all clients at once.
func (w *hoursTest) comeBack(url string) (all []*hoursClient) {
	stored := make(map[string][]storedMessage)
	for ws := range w.size.workspaces {
		for i := range w.size.clients {
			conversation := w.conversation(ws, i%w.size.conversations)
			if stored[conversation] == nil {
				stored[conversation] = w.stored(conversation)
			}
			c := w.shown(conversation, away[i%len(away)], stored[conversation])
			all = append(all, c)
			offset := string(hub.AppendOffset(nil, hub.Offset{Position: source.Position{Commit: 1}, Commit: w.now.Add(-c.away)}))
			w.connect(url, map[string]any{"token": token(w.t, w.workspace(ws)), "pid": "x", "offset": offset}, []string{c.conversation}, c.receive)
		}
	}
	return all
}

// connect connects a client that subscribes to conversations, until the test ends.
func (w *hoursTest) connect(url string, auth map[string]any, conversations []string, receive func(sioclient.Event)) {
	var client *sioclient.Client
	client, err := sioclient.New(sioclient.Options{
		URL: url, Auth: auth, Backoff: sioclient.Backoff{Delay: 50 * time.Millisecond, Most: time.Second},
		OnConnect: func(sioclient.Session) {
			for _, c := range conversations {
				_ = client.Emit("subscribe:conversation", c)
			}
		},
		OnEvent: receive,
	})
	if err != nil {
		w.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(w.t.Context())
	done := make(chan struct{})
	go func() { defer close(done); _ = client.Run(ctx) }()
	w.t.Cleanup(func() { cancel(); <-done })
}

func (c *hoursClient) receive(e sioclient.Event) {
	var p struct {
		ID, MessageID, ConversationID, Status string
		Until                                 time.Time
	}
	if json.Unmarshal(e.Args[0], &p) != nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case e.Name == "gap":
		c.gaps = append(c.gaps, p.Until)
	case p.ConversationID != c.conversation:
	case e.Name == "message" && c.status[p.ID] == "":
		c.ids, c.status[p.ID] = append(c.ids, p.ID), p.Status
	case e.Name == "messageStatus" && c.status[p.MessageID] != "":
		c.status[p.MessageID] = p.Status
	}
}

// newest is of how many of a conversation's newest messages the statuses are sent.
const newest = 50

// due are the messages that the client is to show in the end: all, but what it missed
// before replay.far.
func (c *hoursClient) due() []storedMessage {
	if c.away <= 24*time.Hour {
		return c.want
	}
	left, from := c.want[len(c.want)-1].At.Add(-c.away), time.Now().Add(-24*time.Hour+5*time.Minute)
	return slices.DeleteFunc(slices.Clone(c.want), func(m storedMessage) bool { return m.At.After(left.Add(-time.Minute)) && m.At.Before(from) })
}

// complete tells whether it shows all that it is to, the newest with their statuses.
func (c *hoursClient) complete() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	told := c.want[max(len(c.want)-newest, 0)].At
	for _, m := range c.due() {
		if status, ok := c.status[m.ID]; !ok || !m.At.Before(told) && status != m.Status {
			return false
		}
	}
	return c.away <= 24*time.Hour || len(c.gaps) > 0
}

// check says what it lacks, or was told without reason.
func (c *hoursClient) check(t *testing.T) {
	t.Helper()
	complete := c.complete()
	c.mu.Lock()
	defer c.mu.Unlock()
	order := slices.DeleteFunc(slices.Clone(c.want), func(m storedMessage) bool { return c.status[m.ID] == "" })
	var want []string
	for _, m := range order {
		want = append(want, m.ID)
	}
	switch {
	case !complete:
		t.Errorf("away for %v: it shows %d messages of %d, gaps up to %v", c.away, len(c.ids), len(c.due()), c.gaps)
	case !slices.Equal(c.ids, want):
		t.Errorf("away for %v: its messages are in another order", c.away)
	case c.away <= 24*time.Hour && len(c.gaps) > 0:
		t.Errorf("away for %v: told of gaps up to %v", c.away, c.gaps)
	case c.away > 24*time.Hour && time.Until(c.gaps[0]) < -24*time.Hour-20*time.Minute:
		t.Errorf("away for %v: told of a gap up to %v only", c.away, c.gaps)
	}
}
