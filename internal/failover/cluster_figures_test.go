package failover_test

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"chatbridge/bridge/auth"
	"chatbridge/internal/chatengine"
	"chatbridge/internal/failover"
	"chatbridge/internal/schemas"
	"chatbridge/internal/sioclient"
	"chatbridge/internal/throwaway/pgtest"
)

// side is one of the two that are compared: bridges, the database that they read, and
// when a client there received each message.
type side struct {
	t            *testing.T
	name         string
	conn         *pgx.Conn
	conversation string
	// counted is the bridge that reads the database, when asked.
	counted func() *failover.Bridge

	mu   sync.Mutex
	came map[string]time.Time
}

func newSide(t *testing.T, name, database string, client *failover.Bridge, counted func() *failover.Bridge) *side {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), database)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close(context.WithoutCancel(t.Context())) })
	s := &side{t: t, name: name, conn: conn, counted: counted, came: map[string]time.Time{}}
	if err := conn.QueryRow(t.Context(), `with c as (insert into contacts (workspace_id, name, phone) values ($1, 'Ana', $2) returning id)
		insert into conversations (workspace_id, contact_id) select $1, id from c returning id`, clusterWorkspace, "55"+strconv.FormatInt(time.Now().UnixNano()%1e11, 10)).Scan(&s.conversation); err != nil {
		t.Fatal(err)
	}
	token, err := auth.Sign(secret, clusterWorkspace, "user", "", "", time.Now(), time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	connected := make(chan struct{}, 1000)
	c, err := sioclient.New(sioclient.Options{
		URL: client.URL(), Auth: map[string]any{"token": token}, OnConnect: func(sioclient.Session) { connected <- struct{}{} },
		OnEvent: func(e sioclient.Event) {
			now := time.Now()
			var m struct{ ID string }
			if e.Name == "message" && json.Unmarshal(e.Args[0], &m) == nil {
				s.mu.Lock()
				defer s.mu.Unlock()
				if s.came[m.ID].IsZero() {
					s.came[m.ID] = now
				}
			}
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); _ = c.Run(ctx) }()
	t.Cleanup(func() { cancel(); <-done })
	<-connected
	return s
}

// insert writes a message, and returns its id and when it was asked for.
func (s *side) insert() (id string, at time.Time) {
	s.t.Helper()
	at = time.Now()
	if err := s.conn.QueryRow(s.t.Context(), `insert into messages (workspace_id, conversation_id, body, status, is_outgoing, sender_jid)
		values ($1, $2, 'Olá! Posso confirmar para amanhã às 10h?', 'delivered', false, '5511999999999@s.whatsapp.net') returning id`,
		clusterWorkspace, s.conversation).Scan(&id); err != nil {
		s.t.Fatal(err)
	}
	return id, at
}

func (s *side) arrived(id string) time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.came[id]
}

// delays are those of n messages, one each 10 ms.
func (s *side) delays(n int) []time.Duration {
	s.t.Helper()
	ids, times := make([]string, n), make([]time.Time, n)
	for i := range n {
		ids[i], times[i] = s.insert()
		time.Sleep(10 * time.Millisecond)
	}
	all := make([]time.Duration, n)
	for i, id := range ids {
		failover.Await(s.t, clusterTimeout, "a message at the client of "+s.name, func() bool { return !s.arrived(id).IsZero() })
		all[i] = s.arrived(id).Sub(times[i])
	}
	return all
}

// rate is how many rows a second of a large transaction the bridge that reads the
// database publishes, and has in Redis where there is one.
func (s *side) rate(rows int) float64 {
	s.t.Helper()
	b := s.counted()
	published := func() int {
		n := 0
		for _, line := range b.Metrics(`bridge_events_total{event="message"}`) {
			n, _ = strconv.Atoi(line[strings.LastIndexByte(line, ' ')+1:])
		}
		return n
	}
	before := published()
	if _, err := s.conn.Exec(s.t.Context(), `insert into messages (workspace_id, conversation_id, body, status, is_outgoing, sender_jid)
		select $1, $2, 'one of many ' || n, 'delivered', false, '5511999999999@s.whatsapp.net' from generate_series(1, $3::int) n`,
		"00000000-0000-4000-8000-0000000000ff", s.conversation, rows); err != nil {
		s.t.Fatal(err)
	}
	began := time.Now()
	failover.Await(s.t, clusterTimeout, "all rows to be published", func() bool {
		return published() >= before+rows && len(b.Metrics("bridge_cluster_waiting_events")) == 0
	})
	return float64(rows) / time.Since(began).Seconds()
}

// next is how long after began a message comes to the client that was written after it;
// one is written each 20 ms.
func (s *side) next(began time.Time) time.Duration {
	s.t.Helper()
	var ids []string
	for time.Since(began) < clusterTimeout {
		id, _ := s.insert()
		ids = append(ids, id)
		time.Sleep(20 * time.Millisecond)
		for _, id := range ids {
			if at := s.arrived(id); !at.IsZero() {
				return at.Sub(began)
			}
		}
	}
	s.t.Fatal("no message comes")
	return 0
}

func quantile(all []time.Duration, q float64) time.Duration {
	slices.Sort(all)
	return all[int(q*float64(len(all)-1))].Round(10 * time.Microsecond)
}

func medianOf(all []float64) float64 {
	slices.Sort(all)
	return all[len(all)/2]
}

// TestClusterFigures measures three bridges beside a single one, in turn, on one
// Postgres. CLUSTER=figures runs it; the table goes to docs/cluster.md by hand, with the
// machine that it is of.
func TestClusterFigures(t *testing.T) {
	if os.Getenv("CLUSTER") != "figures" {
		t.Skip("CLUSTER=figures runs it")
	}
	c := newClusterNodes(t, clusterOptions{})
	alone := pgtest.On(t, c.cluster, schemas.CRM)
	bridge := failover.NewBridge(t, failover.BridgeOptions{
		Form: chatengine.Real, DatabaseURL: alone, Secret: secret, Settings: map[string]string{"source.postgres.slot": "alone"},
	})
	single := newSide(t, "the single bridge", alone, bridge, func() *failover.Bridge { return bridge })
	killed, handed := c.changes()
	three := newSide(t, "an edge", c.database, c.edge().Bridge, func() *failover.Bridge { return c.leader().Bridge })
	var one, many []time.Duration
	var oneRate, manyRate []float64
	for range 5 {
		one, many = append(one, single.delays(100)...), append(many, three.delays(100)...)
		oneRate, manyRate = append(oneRate, single.rate(20_000)), append(manyRate, three.rate(20_000))
	}
	killedFull, handedFull := c.changes()
	last := newSide(t, "an edge", c.database, c.edge().Bridge, nil)
	c.redis.Kill()
	c.redis.Run()
	empty := last.next(time.Now())

	fmt.Printf(`
| | single | three, at an edge | |
|---|---:|---:|---:|
| insert to client, p50 | %v | %v | %v more |
| insert to client, p99 | %v | %v | %v more |
| rows a second that the leader publishes, median of 5 | %.0f | %.0f | %.2f |
| leader killed: next event at a client of an edge | | %v | |
| the same with 100,000 rows in the window | | %v | |
| leader ended (SIGTERM): longest time without an event there | | %v | |
| the same with 100,000 rows in the window | | %v | |
| Redis killed and empty: next event there after it answers | | %v | |

`,
		quantile(one, 0.5), quantile(many, 0.5), quantile(many, 0.5)-quantile(one, 0.5),
		quantile(one, 0.99), quantile(many, 0.99), quantile(many, 0.99)-quantile(one, 0.99),
		medianOf(oneRate), medianOf(manyRate), medianOf(manyRate)/medianOf(oneRate),
		killed.Round(time.Millisecond), killedFull.Round(time.Millisecond),
		handed.Round(time.Millisecond), handedFull.Round(time.Millisecond), empty.Round(time.Millisecond))
}

// changes ends the leader in both ways, and returns how long an edge's client waits.
func (c *clusterWorld) changes() (killed, handed time.Duration) {
	c.t.Helper()
	l, s := c.leader(), newSide(c.t, "an edge", c.database, c.edge().Bridge, nil)
	l.Kill()
	killed = s.next(time.Now())
	l.Start()
	c.whole3()
	l, s = c.leader(), newSide(c.t, "an edge", c.database, c.edge().Bridge, nil)
	ended, began := make(chan struct{}), time.Now()
	go func() { defer close(ended); l.Terminate() }()
	handed = s.longestGap(began, ended)
	<-ended
	l.Start()
	c.whole3()
	return killed, handed
}

// TestChangesOfTheLeader measures only how long an edge's client waits at a change of the
// leader, with 100,000 rows in the window. CLUSTER=changes runs it.
func TestChangesOfTheLeader(t *testing.T) {
	if os.Getenv("CLUSTER") != "changes" {
		t.Skip("CLUSTER=changes runs it")
	}
	c := newClusterNodes(t, clusterOptions{})
	edge := newSide(t, "an edge", c.database, c.edge().Bridge, func() *failover.Bridge { return c.leader().Bridge })
	for range 5 {
		edge.rate(20_000)
	}
	for range 3 {
		killed, handed := c.changes()
		fmt.Printf("killed %v, handed over %v\n", killed.Round(time.Millisecond), handed.Round(time.Millisecond))
	}
}

// longestGap writes a message each 20 ms until ended and two seconds more, and returns the
// longest time in which none came.
func (s *side) longestGap(began time.Time, ended <-chan struct{}) time.Duration {
	s.t.Helper()
	var ids []string
	stop := time.Time{}
	for stop.IsZero() || time.Now().Before(stop) {
		id, _ := s.insert()
		ids = append(ids, id)
		time.Sleep(20 * time.Millisecond)
		select {
		case <-ended:
			if stop.IsZero() {
				stop = time.Now().Add(2 * time.Second)
			}
		default:
		}
	}
	last, longest := began, time.Duration(0)
	for _, id := range ids {
		failover.Await(s.t, clusterTimeout, "a message", func() bool { return !s.arrived(id).IsZero() })
		at := s.arrived(id)
		longest, last = max(longest, at.Sub(last)), at
	}
	return longest
}

// whole3 waits until every bridge is ready.
func (c *clusterWorld) whole3() {
	c.t.Helper()
	for _, n := range c.nodes {
		n.AwaitReady()
	}
	c.leader()
}
