package failover_test

import (
	"context"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"chatbridge/internal/failover"
	"chatbridge/internal/schemas"
	"chatbridge/internal/throwaway/pgtest"
)

// fault is something that three bridges, Redis, the database and a load balancer go
// through while clients read.
type fault struct {
	// name is that of the test and of the row in docs/cluster.md.
	name string
	// unlisted: it is no row of the table.
	unlisted bool
	// always: the short form shows it too.
	always bool
	// rounds bounds how often the long form shows it; zero: as often as the others.
	rounds  int
	options clusterOptions
	// large: what is written is more than the window's bounds, so that edges begin anew and
	// clients are given the newest state from the tables, for as long as that takes.
	large bool
	// gaps: clients may be told that something cannot be given.
	gaps bool
	// before prepares the world, do is the fault itself. What is broken must be mended
	// when it returns; that the cluster is whole again is awaited.
	before func(c *clusterWorld)
	do     func(c *clusterWorld, round int)
}

func faultNames() []string {
	var names []string
	for _, f := range clusterFaults() {
		names = append(names, f.name)
	}
	return names
}

// TestClusterFaults shows each fault of a cluster to clients whose histories are
// judged. CLUSTER=full is the long form, with 60 clients and CLUSTER_ROUNDS (10) of
// each.
func TestClusterFaults(t *testing.T) {
	for _, f := range clusterFaults() {
		t.Run(f.name, func(t *testing.T) {
			if !f.always && !clusterLong() {
				t.Skip("CLUSTER=full runs it")
			}
			c := newClusterWorld(t, f.options)
			if f.before != nil {
				f.before(c)
			}
			rounds := c.size.rounds
			if f.rounds > 0 {
				rounds = min(rounds, f.rounds)
			}
			for i := range rounds {
				pause(time.Second, 2*time.Second)
				f.do(c, i)
				c.whole()
			}
			c.finishCluster(f, rounds)
		})
	}
}

// finishCluster judges, and adds a row to the report.
func (c *clusterWorld) finishCluster(f fault, rounds int) {
	c.t.Helper()
	if f.large {
		c.patience = 2 * time.Minute
	}
	v := c.settle(c.writer, c.clients, "r00")
	s := c.clients.Summary()
	truth := c.recorder.Truth()
	bounds := c.bounds(alone)
	// What was committed after a transaction comes after it: as much later as the leader
	// took to read that.
	bounds.CatchUp += c.reading
	bounds.Prompt += c.reading
	j := c.clients.Judge(truth, bounds, false)
	for i, example := range j.Examples {
		if i == maxExamples {
			break
		}
		c.t.Log(example)
	}
	if !f.unlisted {
		clusterReported.add(clusterRow{fault: f.name, times: rounds, clients: c.size.clients, summary: s, verdict: v, judgement: j})
	}
	c.t.Logf("%s, %d times: %v; %v; %v; %d of %d connections restored", f.name, rounds, v, s, j, j.Recovered, j.Connects)
	if !v.Clean() {
		c.t.Error(v)
	}
	if len(j.Found) > 0 || j.Gaps > 0 && !f.gaps || j.Judged == 0 {
		c.t.Error(j)
	}
	if len(s.Failures) > 0 || s.Foreign > 0 {
		c.t.Errorf("clients stopped for good: %v; events of another workspace: %d", s.Failures, s.Foreign)
	}
}

// clusterFaults are all there are, in the order of the table.
func clusterFaults() []fault {
	return []fault{
		{name: "leader killed (kill -9)", always: true, do: leaderKilled},
		{name: "leader ended (SIGTERM)", do: leaderEnded},
		{name: "leader asleep for 60 s (SIGSTOP), then awake", rounds: 3, do: leaderAsleep},
		{name: "leader cut off from Postgres", do: leaderCutOff(false, true)},
		{name: "leader cut off from Redis", do: leaderCutOff(true, false)},
		{name: "leader cut off from both", do: leaderCutOff(true, true)},
		{name: "edge killed while it catches clients up", do: edgeKilledCatchingUp},
		{
			name: "edge slower than what Redis keeps", rounds: 3, do: edgeSlower,
			options: clusterOptions{window: 5 * time.Second},
		},
		{name: "edge joins in a transaction of 500,000 rows", rounds: 1, large: true, before: withBulk(2, false), do: joinsInHugeTransaction},
		{name: "transaction torn by a change of the leader", large: true, before: withBulk(0, true), do: tornTransaction},
		{name: "Redis killed, empty after it", always: true, do: redisKilled},
		{
			name: "Redis killed, with AOF", do: redisKilled,
			options: clusterOptions{redisArgs: []string{"--appendonly", "yes", "--appendfsync", "everysec"}},
		},
		{name: "FLUSHALL", do: flushAll},
		{
			name: "Redis full (noeviction)", do: redisFull,
			options: clusterOptions{redisArgs: []string{"--maxmemory-policy", "noeviction"}},
		},
		{name: "Redis asleep for 10 s", do: redisAsleep},
		{name: "Redis away for 60 s", rounds: 3, do: redisAway},
		{
			name: "Redis away for longer than max_lag", rounds: 3, do: redisAwayPastMaxLag,
			options: clusterOptions{settings: map[string]string{"source.postgres.max_lag": "16MiB"}},
		},
		{
			name: "Sentinel fails over to a replica that lacks the tail, and what edges have", before: awaitReplica, do: sentinelFailover,
			options: clusterOptions{sentinel: true},
		},
		{name: "another cluster on the same Redis, its leader killed", before: withAnotherCluster, do: anotherLeaderKilled},
		{name: "Postgres restarted (fast, immediate)", do: clusterPostgresRestarted},
		{name: "rolling deploy of three nodes", do: rollingDeploy},
	}
}

func leaderKilled(c *clusterWorld, _ int) {
	l := c.leader()
	l.Kill()
	c.anotherLeads(l)
	pause(100*time.Millisecond, time.Second)
	l.Start()
}

func leaderEnded(c *clusterWorld, _ int) {
	l := c.leader()
	if took := l.Terminate(); took > 10*time.Second {
		c.t.Errorf("it took %v to end", took)
	}
	c.anotherLeads(l)
	l.Start()
}

func leaderAsleep(c *clusterWorld, _ int) {
	l := c.leader()
	l.Freeze()
	began := time.Now()
	c.anotherLeads(l)
	time.Sleep(c.lasting(time.Minute, 8*time.Second) - time.Since(began))
	l.Thaw()
}

func leaderCutOff(fromRedis, fromDatabase bool) func(*clusterWorld, int) {
	return func(c *clusterWorld, round int) {
		l := c.leader()
		var links []*failover.Link
		if fromRedis {
			links = append(links, l.toRedis)
		}
		if fromDatabase {
			links = append(links, l.toDatabase)
		}
		cutOff(c.lasting(15*time.Second, 6*time.Second), round%2 == 1, links...)
	}
}

// edgeKilledCatchingUp reloads every page, and kills an edge while that serves its
// clients the window.
func edgeKilledCatchingUp(c *clusterWorld, _ int) {
	e := c.edge()
	reloaded := make(chan struct{})
	go func() { defer close(reloaded); c.clients.Reload(c.database) }()
	pause(50*time.Millisecond, 400*time.Millisecond)
	e.Kill()
	e.Start()
	<-reloaded
}

// edgeSlower puts an edge to sleep until what it has to read next is forgotten.
func edgeSlower(c *clusterWorld, _ int) {
	e := c.edge()
	e.Freeze()
	time.Sleep(40 * time.Second)
	e.Thaw()
}

// bulkRows is how many rows the huge transaction has, tornRows the torn one.
const (
	bulkRows = 500_000
	tornRows = 8_000
)

// withBulk adds a conversation for a transaction of many rows, with clients where
// watched.
func withBulk(workspace int, watched bool) func(*clusterWorld) {
	return func(c *clusterWorld) {
		number := len(c.conversations)
		b := failover.Conversation{
			ID: failover.ConversationID(c.form, number), Workspace: failover.WorkspaceID(c.form, workspace), Number: number,
		}
		c.bulk = b
		c.recorder.Without(b.ID)
		c.clients.Without(b.ID)
		c.writer.Conversation(b)
		// By which the writer finds a message whose status changes.
		if err := pgtest.Exec(c.t.Context(), c.database, "create index on messages (external_id)"); err != nil {
			c.t.Fatal(err)
		}
		if watched {
			c.clients.Subscribe(b.ID, b.Workspace, 3)
		}
	}
}

// insert writes the transaction, and returns a channel that is closed when it is
// committed.
func (c *clusterWorld) insert(rows int) <-chan struct{} {
	from := c.bulked
	c.bulked += rows
	committed := make(chan struct{})
	go func() {
		defer close(committed)
		if err := c.writer.Bulk(context.WithoutCancel(c.t.Context()), c.bulk, from, rows); err != nil {
			c.t.Error(err)
		}
	}()
	return committed
}

func joinsInHugeTransaction(c *clusterWorld, _ int) {
	e, l := c.edge(), c.leader()
	e.Kill()
	before := l.published()
	<-c.insert(bulkRows)
	read := make(chan time.Duration, 1)
	go func() {
		began := time.Now()
		for l.published() < before+bulkRows && time.Since(began) < clusterTimeout {
			time.Sleep(200 * time.Millisecond)
		}
		read <- time.Since(began)
	}()
	pause(0, 2*time.Second)
	e.Start()
	e.AwaitReady()
	c.reading = <-read
	c.t.Logf("the leader took %v to publish %d rows, %.0f a second", c.reading, bulkRows, bulkRows/c.reading.Seconds())
}

// published is how many messages the node has published.
func (n *clusterNode) published() (all int) {
	for _, line := range n.Metrics(`bridge_events_total{event="message"}`) {
		all, _ = strconv.Atoi(line[strings.LastIndexByte(line, ' ')+1:])
	}
	return all
}

// tornTransaction kills the leader while it publishes one.
func tornTransaction(c *clusterWorld, _ int) {
	l := c.leader()
	<-c.insert(tornRows)
	pause(0, 400*time.Millisecond)
	l.Kill()
	c.anotherLeads(l)
	l.Start()
}

func redisKilled(c *clusterWorld, _ int) {
	c.redis.Kill()
	pause(100*time.Millisecond, 4*time.Second)
	c.redis.Run()
}

func flushAll(c *clusterWorld, _ int) {
	if err := c.redis.Client().FlushAll(c.t.Context()).Err(); err != nil {
		c.t.Fatal(err)
	}
	pause(time.Second, 3*time.Second)
}

// redisFull leaves Redis no memory for anything new for a while.
func redisFull(c *clusterWorld, _ int) {
	admin := c.redis.Client()
	set := func(limit string) {
		c.t.Helper()
		if err := admin.ConfigSet(c.t.Context(), "maxmemory", limit).Err(); err != nil {
			c.t.Fatal(err)
		}
	}
	set("1mb")
	if err := admin.Set(c.t.Context(), "other", strings.Repeat("x", 1<<20), 0).Err(); err == nil {
		c.t.Error("Redis is not full")
	}
	time.Sleep(c.lasting(15*time.Second, 4*time.Second))
	set("0")
}

func redisAsleep(c *clusterWorld, _ int) {
	c.redis.Stop()
	time.Sleep(10 * time.Second)
	c.redis.Wake()
}

func redisAway(c *clusterWorld, _ int) {
	c.redis.Kill()
	time.Sleep(c.lasting(time.Minute, 12*time.Second))
	c.redis.Run()
}

// redisAwayPastMaxLag: what is not in Redis is held back in the database until that is
// too much; then the leader, which lives, has it alone.
func redisAwayPastMaxLag(c *clusterWorld, _ int) {
	c.redis.Kill()
	for range 40 {
		if err := c.writer.Foreign(c.t.Context(), 1<<20); err != nil {
			c.t.Error(err)
		}
		time.Sleep(500 * time.Millisecond)
	}
	c.redis.Run()
	c.redis.Await("the leader has appended", func(ctx context.Context, r *redis.Client) bool {
		return r.DBSize(ctx).Val() > 1
	})
}

// sentinelName is by which the bridges ask Sentinel for the master.
const sentinelName = "crm"

func awaitReplica(c *clusterWorld) {
	c.replica.Await("it follows", func(ctx context.Context, r *redis.Client) bool {
		return strings.Contains(r.Info(ctx, "replication").Val(), "master_link_status:up")
	})
}

// sentinelFailover has the master acknowledge what the replica never gets, though edges
// read it, and dies then.
func sentinelFailover(c *clusterWorld, _ int) {
	c.replica.Stop()
	c.redis.Cut()
	pause(500*time.Millisecond, time.Second)
	c.redis.Kill()
	c.replica.Wake()
	c.replica.Await("it is the master", func(ctx context.Context, r *redis.Client) bool {
		return strings.Contains(r.Info(ctx, "replication").Val(), "role:master")
	})
	c.redis, c.replica = c.replica, c.redis
	c.replica.Run() // Sentinel makes it the new one's replica
	awaitReplica(c)
}

// withAnotherCluster starts one on the same servers of Redis and Postgres, with the same
// workspaces and conversations in another database.
func withAnotherCluster(c *clusterWorld) {
	database := pgtest.On(c.t, c.cluster, schemas.CRM, c.members())
	writer := failover.NewWriter(c.t, failover.WriterOptions{Form: c.form, DatabaseURL: database, Conversations: c.conversations, Rate: c.size.rate})
	for range 2 {
		b := c.bridge(database, map[string]string{
			"cluster.name": "another", "cluster.redis_url": c.redis.URL(), "source.postgres.slot": "another",
		})
		c.others = append(c.others, &clusterNode{Bridge: b})
	}
	writer.Start("r77")
}

func anotherLeaderKilled(c *clusterWorld, _ int) {
	for _, n := range c.others {
		if n.leads() {
			n.Kill()
			pause(time.Second, 3*time.Second)
			n.Start()
			n.AwaitReady()
			return
		}
	}
	c.t.Error("nobody leads the other cluster")
}

func clusterPostgresRestarted(c *clusterWorld, round int) {
	mode := []string{"fast", "immediate"}[round%2]
	if err := c.cluster.Restart(context.WithoutCancel(c.t.Context()), mode); err != nil {
		c.t.Fatal(err)
	}
	pause(time.Second, 2*time.Second)
}

func rollingDeploy(c *clusterWorld, _ int) {
	for _, n := range c.nodes {
		if took := n.Terminate(); took > 10*time.Second {
			c.t.Errorf("it took %v to end", took)
		}
		n.Start()
		c.whole()
	}
}
