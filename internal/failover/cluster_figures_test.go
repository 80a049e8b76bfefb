package failover_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gorilla/websocket"
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
// database publishes, and has in Redis where there is one, and what processor time that
// takes it.
func (s *side) rate(rows int) (perSecond float64, cpu time.Duration) {
	s.t.Helper()
	b := s.counted()
	cpu = -b.CPU()
	before := published(s.t, b)
	if _, err := s.conn.Exec(s.t.Context(), `insert into messages (workspace_id, conversation_id, body, status, is_outgoing, sender_jid)
		select $1, $2, 'one of many ' || n, 'delivered', false, '5511999999999@s.whatsapp.net' from generate_series(1, $3::int) n`,
		"00000000-0000-4000-8000-0000000000ff", s.conversation, rows); err != nil {
		s.t.Fatal(err)
	}
	began := time.Now()
	failover.Await(s.t, clusterTimeout, "all rows to be published", func() bool {
		return published(s.t, b) >= before+rows && len(b.Metrics("bridge_cluster_waiting_events")) == 0
	})
	return float64(rows) / time.Since(began).Seconds(), cpu + b.CPU()
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
	return all[int(q*float64(len(all)-1))]
}

func medianOf(all []float64) float64 {
	slices.Sort(all)
	return all[len(all)/2]
}

// figure is one row of the table of what a cluster costs: a value of each round.
type figure struct {
	name, wanted string
	format       string // of one value
	values       []float64
}

func (f *figure) add(v float64) { f.values = append(f.values, v) }

func (f *figure) seconds(d time.Duration) { f.add(d.Seconds()) }

func (f *figure) millis(d time.Duration) { f.add(float64(d) / float64(time.Millisecond)) }

// measured is the range.
func (f *figure) measured() string {
	if len(f.values) == 0 {
		return "-"
	}
	low, high := fmt.Sprintf(f.format, slices.Min(f.values)), fmt.Sprintf(f.format, slices.Max(f.values))
	if low == high {
		return low
	}
	number, _, _ := strings.Cut(low, " ")
	return number + " to " + high
}

// clusterFigures are the rows.
type clusterFigures struct {
	p50, p99, ping, rate, cpu                  figure
	killed, killedFull, handed, handedFull     figure
	restored, slowest, empty, batched, singles figure
}

func newClusterFigures() *clusterFigures {
	return &clusterFigures{
		p50:        figure{name: "insert to client, p50: more than with a single bridge", wanted: "1 ms", format: "%.1f ms"},
		p99:        figure{name: "the same, p99", wanted: "5 ms", format: "%.1f ms"},
		ping:       figure{name: "for comparison: p99 of a PING to Redis from the same machine", format: "%.1f ms"},
		cpu:        figure{name: "processor time that the leader takes for a row, to that of a single bridge", format: "%.2f"},
		rate:       figure{name: "rows a second that the leader publishes and Redis has, to those of a single bridge", wanted: "0.7", format: "%.2f"},
		killed:     figure{name: "leader killed: next event at a client of an edge", wanted: "3 s", format: "%.1f s"},
		killedFull: figure{name: "the same with 100,000 rows in the window", wanted: "3 s", format: "%.1f s"},
		handed:     figure{name: "leader ended (SIGTERM): longest time without an event there", wanted: "0.3 s", format: "%.1f s"},
		handedFull: figure{name: "the same with 100,000 rows in the window", wanted: "0.3 s", format: "%.1f s"},
		restored:   figure{name: "edge killed: of its clients, restored elsewhere with `recovered: true`", wanted: "99 %", format: "%.0f %%"},
		slowest:    figure{name: "the same: the slowest of them, from the kill on", wanted: "2 s", format: "%.2f s"},
		empty:      figure{name: "Redis killed and empty: next event there after it answers", wanted: "2 s", format: "%.2f s"},
		batched:    figure{name: "Redis' memory to the window's bytes, of what came under load", wanted: "1.3", format: "%.2f"},
		singles:    figure{name: "the same, of events that came alone", wanted: "1.3", format: "%.2f"},
	}
}

func (f *clusterFigures) table() string {
	var b strings.Builder
	b.WriteString("| | wanted | measured |\n|---|---:|---:|\n")
	for _, row := range []*figure{
		&f.p50, &f.p99, &f.ping, &f.rate, &f.cpu, &f.killed, &f.killedFull, &f.handed, &f.handedFull, &f.restored, &f.slowest, &f.empty, &f.batched, &f.singles,
	} {
		fmt.Fprintf(&b, "| %s | %s | %s |\n", row.name, row.wanted, row.measured())
	}
	return b.String()
}

// TestClusterFigures measures three bridges beside a single one, in turn, on one
// Postgres, in so many rounds as CLUSTER_ROUNDS says. CLUSTER=figures runs it; the table
// goes to the document that CLUSTER_DOC names, with the machine that it is of by hand.
func TestClusterFigures(t *testing.T) {
	if os.Getenv("CLUSTER") != "figures" {
		t.Skip("CLUSTER=figures runs it")
	}
	all := newClusterFigures()
	for round := range number("CLUSTER_ROUNDS", 10) {
		if !t.Run(fmt.Sprintf("round %d", round+1), all.round) {
			return
		}
	}
	if err := publishTable(all.table(), "CLUSTER_DOC", "<!-- table: make cluster-figures -->\n", tableEnd); err != nil {
		t.Error(err)
	}
}

// round measures each once.
func (f *clusterFigures) round(t *testing.T) {
	c := newClusterNodes(t, clusterOptions{window: 30 * time.Minute})
	alone := pgtest.On(t, c.cluster, schemas.CRM)
	bridge := failover.NewBridge(t, failover.BridgeOptions{
		Form: chatengine.Real, DatabaseURL: alone, Secret: secret,
		Settings: map[string]string{"source.postgres.slot": "alone", "replay.window": "30m"},
	})
	single := newSide(t, "the single bridge", alone, bridge, func() *failover.Bridge { return bridge })
	c.leaderChanges(&f.killed, &f.handed)
	three := newSide(t, "an edge", c.database, c.edge().Bridge, func() *failover.Bridge { return c.leader().Bridge })
	f.singles.add(c.memory(func() { three.delays(1000) }))
	var one, many []time.Duration
	var oneRate, manyRate []float64
	var oneCPU, manyCPU time.Duration
	f.batched.add(c.memory(func() {
		for range 5 {
			one, many = append(one, single.delays(100)...), append(many, three.delays(100)...)
			perSecond, cpu := single.rate(20_000)
			oneRate, oneCPU = append(oneRate, perSecond), oneCPU+cpu
			perSecond, cpu = three.rate(20_000)
			manyRate, manyCPU = append(manyRate, perSecond), manyCPU+cpu
		}
	}))
	f.p50.millis(quantile(many, 0.5) - quantile(one, 0.5))
	f.p99.millis(quantile(many, 0.99) - quantile(one, 0.99))
	f.rate.add(medianOf(manyRate) / medianOf(oneRate))
	f.cpu.add(manyCPU.Seconds() / oneCPU.Seconds())
	f.ping.millis(c.pings())
	t.Logf("p50 %v and %v, p99 %v and %v, rows a second %.0f and %.0f", quantile(one, 0.5), quantile(many, 0.5),
		quantile(one, 0.99), quantile(many, 0.99), medianOf(oneRate), medianOf(manyRate))
	c.edgeKilled(&f.restored, &f.slowest)
	c.leaderChanges(&f.killedFull, &f.handedFull)
	last := newSide(t, "an edge", c.database, c.edge().Bridge, nil)
	c.redis.Kill()
	c.redis.Run()
	f.empty.seconds(last.next(time.Now()))
}

// leaderChanges ends the leader in both ways, and measures how long an edge's client
// waits.
func (c *clusterWorld) leaderChanges(killed, handed *figure) {
	c.t.Helper()
	l, s := c.leader(), newSide(c.t, "an edge", c.database, c.edge().Bridge, nil)
	l.Kill()
	killed.seconds(s.next(time.Now()))
	l.Start()
	c.whole3()
	l, s = c.leader(), newSide(c.t, "an edge", c.database, c.edge().Bridge, nil)
	ended, began := make(chan struct{}), time.Now()
	go func() { defer close(ended); l.Terminate() }()
	handed.seconds(s.longestGap(began, ended))
	<-ended
	l.Start()
	c.whole3()
}

// memory is by how much the memory of Redis grows for each byte by which the leader's
// window does.
func (c *clusterWorld) memory(during func()) float64 {
	c.t.Helper()
	l, client := c.leader(), c.redis.Client()
	used := func() float64 {
		return reading(c.t, client.Info(c.t.Context(), "memory").Val(), "used_memory_dataset:")
	}
	window := func() float64 {
		return reading(c.t, strings.Join(l.Metrics("bridge_replay_bytes"), "\n"), "bridge_replay_bytes ")
	}
	usedBefore, windowBefore := used(), window()
	during()
	return (used() - usedBefore) / (window() - windowBefore)
}

// pings is the p99 of what Redis takes to answer, one each 10 ms.
func (c *clusterWorld) pings() time.Duration {
	client := c.redis.Client()
	all := make([]time.Duration, 500)
	for i := range all {
		began := time.Now()
		if err := client.Ping(c.t.Context()).Err(); err != nil {
			c.t.Fatal(err)
		}
		all[i] = time.Since(began)
		time.Sleep(10 * time.Millisecond)
	}
	return quantile(all, 0.99)
}

// reading is the number after a name at the beginning of a line.
func reading(t *testing.T, text, name string) float64 {
	t.Helper()
	for line := range strings.Lines(text) {
		if rest, ok := strings.CutPrefix(line, name); ok {
			if n, err := strconv.ParseFloat(strings.TrimSpace(rest), 64); err == nil {
				return n
			}
		}
	}
	t.Fatalf("there is no %q in\n%s", name, text)
	return 0
}

// edgeKilled kills an edge that has sixty clients, which come back to another one, and measures how many were restored there, and when the last was.
func (c *clusterWorld) edgeKilled(restored, slowest *figure) {
	c.t.Helper()
	const clients = 60
	victim := c.edge()
	var where atomic.Value // of the bridge to which the load balancer would lead
	where.Store(victim.Addr())
	s := newSide(c.t, "an edge", c.database, c.leader().Bridge, nil)
	token, err := auth.Sign(secret, clusterWorkspace, "user", "", "", time.Now(), time.Hour)
	if err != nil {
		c.t.Fatal(err)
	}
	type back struct {
		recovered bool
		at        time.Time
	}
	var mu sync.Mutex
	var came [clients][]back
	got := [clients]map[string]int{}
	ctx, cancel := context.WithCancel(c.t.Context())
	var running sync.WaitGroup
	defer running.Wait()
	defer cancel()
	for i := range clients {
		got[i] = map[string]int{}
		client, err := sioclient.New(sioclient.Options{
			URL: victim.URL(), Auth: map[string]any{"token": token},
			Dialer: &websocket.Dialer{NetDialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
				return new(net.Dialer).DialContext(ctx, network, where.Load().(string))
			}},
			Backoff: sioclient.Backoff{Delay: 50 * time.Millisecond, Most: 200 * time.Millisecond},
			OnConnect: func(s sioclient.Session) {
				mu.Lock()
				defer mu.Unlock()
				came[i] = append(came[i], back{s.Recovered, time.Now()})
			},
			OnEvent: func(e sioclient.Event) {
				var m struct{ ID string }
				if e.Name == "message" && json.Unmarshal(e.Args[0], &m) == nil {
					mu.Lock()
					defer mu.Unlock()
					got[i][m.ID]++
				}
			},
		})
		if err != nil {
			c.t.Fatal(err)
		}
		running.Go(func() { _ = client.Run(ctx) })
	}
	all := func(ok func(i int) bool) func() bool {
		return func() bool {
			mu.Lock()
			defer mu.Unlock()
			for i := range clients {
				if !ok(i) {
					return false
				}
			}
			return true
		}
	}
	failover.Await(c.t, clusterTimeout, "the clients", all(func(i int) bool { return len(came[i]) == 1 }))
	failover.Await(c.t, clusterTimeout, "the sessions to be kept", func() bool {
		kept := reading(c.t, strings.Join(victim.Metrics("bridge_cluster_sessions_kept_total"), "\n")+"\nbridge_cluster_sessions_kept_total 0\n", "bridge_cluster_sessions_kept_total ")
		return kept >= clients && len(victim.Metrics("bridge_cluster_sessions_waiting")) == 0
	})
	before, _ := s.insert() // the offset of which shows that they have all of before it
	failover.Await(c.t, clusterTimeout, "a message", all(func(i int) bool { return got[i][before] > 0 }))
	where.Store(c.otherEdge(victim).Addr())
	began := time.Now()
	victim.Kill()
	after, _ := s.insert()
	failover.Await(c.t, clusterTimeout, "the clients to come back", all(func(i int) bool { return len(came[i]) > 1 && got[i][after] > 0 }))
	mu.Lock()
	well, last := 0, began
	for i := range clients {
		if b := came[i][1]; b.recovered {
			well++
			last = later(last, b.at)
			if got[i][before] != 1 || got[i][after] != 1 {
				c.t.Errorf("a restored client has the message before %d times and the one after %d times", got[i][before], got[i][after])
			}
		}
	}
	mu.Unlock()
	restored.add(100 * float64(well) / clients)
	slowest.seconds(last.Sub(began))
	cancel()
	running.Wait()
	victim.Start()
	c.whole3()
}

// otherEdge is the edge that is not that one.
func (c *clusterWorld) otherEdge(than *clusterNode) *clusterNode {
	leader := c.leader()
	for _, n := range c.nodes {
		if n != leader && n != than {
			return n
		}
	}
	panic("there are two nodes")
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
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
	f := newClusterFigures()
	for range 3 {
		c.leaderChanges(&f.killedFull, &f.handedFull)
	}
	t.Logf("killed %s, handed over %s", f.killedFull.measured(), f.handedFull.measured())
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
