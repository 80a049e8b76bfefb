package bridge_test

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/redis/go-redis/v9"

	"chatbridge/bridge/cluster"
	"chatbridge/internal/schemas"
	"chatbridge/internal/throwaway/pgtest"
	"chatbridge/internal/throwaway/redistest"
)

// clusterTest is a database, a Redis and bridges on both.
type clusterTest struct {
	t     *testing.T
	dsn   string
	redis *redistest.Server
	url   string // of Redis, "" for that of redis
	conn  *pgx.Conn
	ids   []string
	sent  []string
}

func newClusterTest(t *testing.T) *clusterTest {
	t.Helper()
	c := &clusterTest{t: t, redis: redistest.Start(t), dsn: pgtest.DB(t, schemas.CRM)}
	c.conn, c.ids = crmDatabase(t, c.dsn, 1)
	return c
}

func (c *clusterTest) start(env ...string) *daemonTest {
	c.t.Helper()
	return startDaemon(c.t, c.dsn, append([]string{"REDIS_URL=" + cmp.Or(c.url, c.redis.URL()), "BRIDGE_CLUSTER_NAME=test"}, env...)...)
}

func (c *clusterTest) insert(text string) {
	c.t.Helper()
	if _, err := c.conn.Exec(c.t.Context(), insertMessage, workspace, c.ids[0], text); err != nil {
		c.t.Fatal(err)
	}
	c.sent = append(c.sent, text)
}

// whole waits until a client has the last message, and checks that it was told of no gap
// and not disconnected.
func (c *clusterTest) whole(what string, client *crm) {
	c.t.Helper()
	last := c.sent[len(c.sent)-1]
	events := client.await(what, func(events []event) bool { return bodies(events)[last] })
	for _, e := range events {
		if e.Name == "gap" {
			c.t.Errorf("%s: the client was told of a gap: %v", what, e.Payload)
		}
	}
	if len(client.connected) > 0 {
		c.t.Errorf("%s: the client was disconnected", what)
	}
}

func role(d *daemonTest) string {
	if c := d.Snapshot().Cluster; c != nil {
		return c.Role
	}
	return "none"
}

// TestBridgesAsOne: of two bridges one reads the database and both serve; Redis may be
// emptied, killed and come back empty without a client noticing; when the leader ends,
// the other one leads and its clients stay.
func TestBridgesAsOne(t *testing.T) {
	t.Parallel()
	c := newClusterTest(t)
	first := c.start()
	first.ready()
	first.await("that it leads", func() bool { return role(first) == "leader" })
	second := c.start()
	second.ready()
	if got := role(second); got != "edge" {
		t.Fatalf("the second one is %s", got)
	}
	if s := second.Snapshot(); s.Cluster.Leader == "" || s.Cluster.Leader != first.Snapshot().Cluster.Leader {
		t.Errorf("the edge says that %q leads", s.Cluster.Leader)
	}
	atFirst, atSecond := first.client(c.ids[0]), second.client(c.ids[0])
	first.live(1)
	second.live(1)
	both := func(what string) {
		t.Helper()
		c.whole(what+", at the leader", atFirst)
		c.whole(what+", at the edge", atSecond)
	}
	c.insert("one")
	both("while all is well")

	if err := c.redis.Client().FlushAll(t.Context()).Err(); err != nil {
		t.Fatal(err)
	}
	c.insert("after FLUSHALL")
	both("after FLUSHALL")

	c.redis.Kill()
	c.insert("while Redis is away")
	c.whole("while Redis is away, at the leader", atFirst)
	c.redis.Run()
	c.insert("after Redis came back empty")
	both("after Redis came back empty")

	first.stop()
	c.insert("while nobody leads")
	second.await("that it leads", func() bool { return role(second) == "leader" })
	c.insert("under the second")
	c.whole("under the second", atSecond)

	third := c.start()
	third.ready()
	atThird := third.client(c.ids[0])
	c.insert("to the third")
	c.whole("to the second", atSecond)
	c.whole("to the third", atThird)
	for _, client := range []*crm{atSecond, atThird} {
		got := client.await("all", func(events []event) bool { return len(bodies(events)) >= len(c.sent) })
		if len(bodies(got)) != len(c.sent) {
			t.Errorf("%d of %d messages", len(bodies(got)), len(c.sent))
		}
	}
}

// TestAnEdgeWithoutRedisLetsItsClientsGo, to the leader, which serves on; when Redis is
// back so is the edge.
func TestAnEdgeWithoutRedisLetsItsClientsGo(t *testing.T) {
	t.Parallel()
	c := newClusterTest(t)
	first := c.start()
	first.await("that it leads", func() bool { return role(first) == "leader" })
	second := c.start("BRIDGE_CLUSTER_ROLE=edge")
	second.ready()
	client := second.client(c.ids[0])
	c.redis.Kill()
	second.await("that its client is gone", func() bool { s := second.Snapshot(); return s.Connected() == 0 })
	if code, body := second.get("/readyz"); code != http.StatusServiceUnavailable || !strings.Contains(body, "cut off") || strings.Contains(body, "another bridge follows") {
		t.Errorf("/readyz of an edge without Redis: %d %s", code, body)
	}
	if h := second.Snapshot().Source; !strings.Contains(h.Reason, "Redis does not answer since 2") || !strings.Contains(h.Remedy, "redis_url") {
		t.Errorf("the edge without Redis says %q, remedy %q", h.Reason, h.Remedy)
	}
	c.insert("while Redis is away")
	if got := first.client(c.ids[0]).await("the message", func(events []event) bool { return bodies(events)["while Redis is away"] }); len(got) == 0 {
		t.Error("the leader does not serve")
	}
	c.redis.Run()
	second.ready()
	<-client.connected
	client.await("the message", func(events []event) bool { return bodies(events)["while Redis is away"] })
}

// TestAFailoverOfRedisThatLosesItsTail: Sentinel promotes a replica that lacks what the
// master had acknowledged. The leader appends it again, and clients notice nothing.
func TestAFailoverOfRedisThatLosesItsTail(t *testing.T) {
	t.Parallel()
	c := newClusterTest(t)
	master := c.redis
	replica := redistest.Replica(t, master)
	sentinel := redistest.Sentinel(t, "crm", master)
	sentinel.Await("it knows the replica", func(ctx context.Context, r *redis.Client) bool {
		known, _ := r.Do(ctx, "sentinel", "replicas", "crm").Slice()
		return len(known) == 1
	})
	start := func() *daemonTest {
		return startDaemon(t, c.dsn, "REDIS_URL="+sentinel.SentinelURL("crm"), "BRIDGE_CLUSTER_NAME=test")
	}
	first := start()
	first.ready()
	first.await("that it leads", func() bool { return role(first) == "leader" })
	second := start()
	second.ready()
	client := second.client(c.ids[0])
	second.live(1)
	c.insert("before")
	c.whole("before the failover", client)

	// What comes now is acknowledged by the master, and never on the replica.
	replica.Stop()
	master.Cut()
	c.insert("lost by Redis")
	c.whole("what Redis loses", client)
	first.await("that the leader was told so", func() bool { return first.Snapshot().Cluster.Waiting == 0 })
	master.Kill()
	replica.Wake()
	c.insert("after the failover")
	c.whole("after the failover", client)
	// It is counted when the answer comes, which the edge does not wait for.
	first.await("that something was appended again", func() bool { return first.Snapshot().Cluster.Refills > 0 })
	events := client.await("all", func([]event) bool { return true })
	if n := len(events); len(bodies(events)) != len(c.sent) {
		t.Errorf("%d of %d messages, in %d events", len(bodies(events)), len(c.sent), n)
	}
}

// TestABridgeThatCannotLeadSaysWhy: without a leader, what keeps the bridge from the
// database is what the operator has to know.
func TestABridgeThatCannotLeadSaysWhy(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	d := runDaemon(t, []string{
		"DATABASE_URL=postgres://nobody@127.0.0.1:1/none?connect_timeout=1", "REDIS_URL=" + server.URL(), "BRIDGE_CLUSTER_NAME=test",
	})
	d.await("the reason", func() bool {
		h := d.Snapshot().Source
		return h.State == "standby" && strings.Contains(h.Reason, "this bridge cannot lead") && strings.Contains(h.Reason, "127.0.0.1") && h.Remedy != ""
	})
}

// TestWhatNoBridgeWroteToRedis: the leader asks its database, and begins the stream anew. A page
// at an edge is told to load again, one at the leader is not, and nothing is missing.
func TestWhatNoBridgeWroteToRedis(t *testing.T) {
	t.Parallel()
	c := newClusterTest(t)
	first := c.start()
	first.ready()
	first.await("that it leads", func() bool { return role(first) == "leader" })
	second := c.start("BRIDGE_CLUSTER_ROLE=edge")
	second.ready()
	atFirst, atSecond := first.client(c.ids[0]), second.client(c.ids[0])
	first.live(1)
	second.live(1)
	c.insert("one")
	c.whole("the first, at the leader", atFirst)
	c.whole("the first, at the edge", atSecond)

	r := c.redis.Client()
	keys := r.Keys(t.Context(), "bridge:{test}:*.*.0").Val()
	if len(keys) != 1 {
		t.Fatalf("the streams are %v", keys)
	}
	key := keys[0]
	var epoch cluster.Epoch
	if _, err := fmt.Sscanf(key, "bridge:{test}:%d.%d.%d", &epoch.System, &epoch.Timeline, &epoch.Count); err != nil {
		t.Fatal(err)
	}
	last := r.XRevRangeN(t.Context(), key, "+", "-", 1).Val()
	if len(last) != 1 {
		t.Fatalf("the stream has %d last entries", len(last))
	}
	prev, err := cluster.ParseID(last[0].ID)
	if err != nil {
		t.Fatal(err)
	}
	id := cluster.ID{Commit: prev.Commit + 1<<40, Sub: 1 << 20}
	forged := cluster.Entry{Epoch: epoch, Prev: prev, ID: id}
	if err := r.XAdd(t.Context(), &redis.XAddArgs{Stream: key, ID: id.String(), Values: []any{"e", forged.Append(nil)}}).Err(); err != nil {
		t.Fatal(err)
	}
	c.insert("two")
	first.await("that the stream is begun anew", func() bool { return first.Snapshot().Cluster.Renewed == 1 })
	second.await("that the edge is whole", func() bool { s := second.Snapshot().Cluster; return s.Complete && s.Connected })
	c.insert("three")
	c.whole("the last, at the leader", atFirst)
	events := atSecond.await("the last, at the edge", func(events []event) bool { return bodies(events)["three"] })
	told := false
	for _, e := range events {
		told = told || e.Name == "gap"
	}
	if !told {
		t.Error("the page at the edge was not told to load again")
	}
}
