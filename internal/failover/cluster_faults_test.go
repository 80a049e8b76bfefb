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

// clusterFaults are all there are, in the order of the table.
func clusterFaults() []fault {
	return []fault{
		{name: "leader killed (kill -9)", always: true, do: leaderKilled},
		{name: "leader ended (SIGTERM)", do: leaderEnded},
		{
			name: "leader asleep for 60 s (SIGSTOP), then awake", do: leaderAsleep, lasts: 70 * time.Second,
			options: clusterOptions{rate: 10},
		},
		{name: "leader cut off from Postgres", do: leaderCutOff(false, true), lasts: 20 * time.Second},
		{name: "leader cut off from Redis", do: leaderCutOff(true, false), lasts: 25 * time.Second},
		{name: "leader cut off from both", do: leaderCutOff(true, true), lasts: 25 * time.Second},
		{name: "edge killed while it catches clients up", do: edgeKilledCatchingUp},
		{
			name: "edge slower than what Redis keeps", do: edgeSlower, lasts: 45 * time.Second,
			options: clusterOptions{window: 5 * time.Second, rate: 10},
		},
		{
			name: "edge joins in a transaction of 500,000 rows", large: true, heavy: true, before: withBulk(2, false), do: joinsInHugeTransaction,
			sitting: 2, lasts: 60 * time.Second, // there are a million ids
		},
		{name: "transaction torn by a change of the leader", large: true, before: withBulk(0, true), do: tornTransaction},
		{name: "Redis killed, empty after it", always: true, do: redisKilled},
		{
			name: "Redis killed, with AOF", do: redisKilled,
			options: clusterOptions{redisArgs: []string{"--appendonly", "yes", "--appendfsync", "everysec"}},
		},
		{name: "FLUSHALL", do: flushAll},
		{
			name: "Redis full (noeviction)", do: redisFull, lasts: 20 * time.Second,
			options: clusterOptions{redisArgs: []string{"--maxmemory-policy", "noeviction"}},
		},
		{name: "Redis asleep for 10 s", do: redisAsleep, lasts: 15 * time.Second},
		{name: "Redis away for 60 s", do: redisAway, lasts: 70 * time.Second, options: clusterOptions{rate: 10}},
		{
			name: "Redis away for longer than max_lag", do: redisAwayPastMaxLag, lasts: 30 * time.Second,
			options: clusterOptions{settings: map[string]string{"source.postgres.max_lag": "16MiB"}},
		},
		{
			name: "Sentinel fails over to a replica that lacks the tail, and what edges have", before: awaitReplica, do: sentinelFailover,
			options: clusterOptions{sentinel: true},
		},
		{
			name: "Redis Cluster: master of the stream's slot killed, its replica lacks the tail, and what edges have", do: slotMasterKilled,
			options: clusterOptions{redisCluster: true},
		},
		{
			name: "Redis Cluster: the stream's slot moved to another master, and back", do: slotMoved,
			options: clusterOptions{redisCluster: true},
		},
		{name: "another cluster on the same Redis, its leader killed", before: withAnotherCluster, do: anotherLeaderKilled},
		{name: "Postgres restarted (fast, immediate)", do: clusterPostgresRestarted},
		{
			name: "Postgres fails over to a standby with a copy of the slot", before: copySlot, do: postgresPromoted(true), sitting: 1, lasts: 60 * time.Second,
			options: clusterOptions{standby: true, version: copiesSlots, window: 5 * time.Second},
		},
		{
			name: "Postgres fails over to a standby without the slot", gaps: true, do: postgresPromoted(false), sitting: 1, lasts: 20 * time.Second,
			options: clusterOptions{standby: true},
		},
		{
			name: "Postgres put back to an earlier place", gaps: true, do: postgresRestored(false), sitting: 2, lasts: 40 * time.Second,
		},
		{
			name: "Postgres put back, the leader killed and Redis emptied", gaps: true, do: postgresRestored(true), sitting: 2, lasts: 40 * time.Second,
		},
		{
			name: "clocks of the bridges step by 10 min, forth and back", do: bridgesClocksStep, lasts: 25 * time.Second,
			options: clusterOptions{clocks: true},
		},
		{
			name: "Redis' clock steps by an hour, forth and back; an edge killed after each", do: redisClockSteps, lasts: 25 * time.Second,
			options: clusterOptions{clocks: true},
		},
		{name: "rolling deploy of three nodes", do: rollingDeploy, lasts: 20 * time.Second},
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
		if cutOff(c.lasting(15*time.Second, 6*time.Second), round%2 == 1, links...) < len(links) {
			c.t.Fatal("the leader had no connection that could be cut")
		}
	}
}

// edgeKilledCatchingUp reloads every page, and kills an edge while that serves its
// clients the window.
func edgeKilledCatchingUp(c *clusterWorld, _ int) {
	e := c.edge()
	readings := func() string { return strings.Join(e.Metrics("bridge_catch_ups_total"), "") }
	for {
		before := readings()
		reloaded := make(chan struct{})
		go func() { defer close(reloaded); c.clients.Reload(c.database) }()
		failover.Await(c.t, clusterTimeout, "the edge to catch clients up", func() bool { return readings() != before })
		pause(0, 200*time.Millisecond)
		select {
		case <-reloaded:
			continue // it was too quick
		default:
		}
		e.Kill()
		e.Start()
		<-reloaded
		return
	}
}

// edgeSlower puts an edge to sleep until what it has to read next is forgotten.
func edgeSlower(c *clusterWorld, _ int) {
	e := c.edge()
	rejoins := func() string { return strings.Join(e.Metrics("bridge_cluster_rejoins_total"), "") }
	before := rejoins()
	e.Freeze()
	time.Sleep(40 * time.Second)
	e.Thaw()
	failover.Await(c.t, clusterTimeout, "the edge to find that Redis has forgotten what it needs", func() bool { return rejoins() != before })
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
	before := published(c.t, l.Bridge)
	<-c.insert(bulkRows)
	read := make(chan time.Duration, 1)
	go func() {
		began := time.Now()
		for published(c.t, l.Bridge) < before+bulkRows && time.Since(began) < clusterTimeout {
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

// published is how many messages the bridge has published.
func published(t *testing.T, b *failover.Bridge) (all int) {
	t.Helper()
	for _, line := range b.Metrics(`bridge_events_total{event="message"}`) {
		n, err := strconv.ParseFloat(line[strings.LastIndexByte(line, ' ')+1:], 64) // a million is 1e+06
		if err != nil {
			t.Error(err)
		}
		all = int(n)
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
	killed := c.scan(`select pg_current_wal_lsn()::text`)
	for range 40 {
		if err := c.writer.Foreign(c.t.Context(), 1<<20); err != nil {
			c.t.Error(err)
		}
		time.Sleep(500 * time.Millisecond)
	}
	failover.Await(c.t, clusterTimeout, "the database to be told that more was handled than Redis has", func() bool {
		return c.scan(`select (confirmed_flush_lsn > $1::pg_lsn)::text from pg_replication_slots where slot_name = 'bridge'`, killed) == "true"
	})
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

// slotMasterKilled is sentinelFailover in a Redis Cluster.
func slotMasterKilled(c *clusterWorld, _ int) {
	c.servers.AwaitReplica()
	c.servers.Replica.Stop()
	c.servers.Masters[0].Cut()
	pause(500*time.Millisecond, time.Second)
	c.servers.FailOver()
	c.redis = c.servers.Masters[0]
	c.servers.Replica.Run() // it becomes the new one's replica
	c.servers.AwaitReplica()
}

// slotMoved moves the slot as redis-cli does, but slower, and back.
func slotMoved(c *clusterWorld, _ int) {
	from, to := c.servers.Masters[0], c.servers.Masters[1]
	for range 2 {
		c.servers.BeginMove(from, to)
		pause(100*time.Millisecond, 500*time.Millisecond)
		c.servers.MoveKeys(from, to)
		pause(100*time.Millisecond, 500*time.Millisecond)
		c.servers.EndMove(from, to)
		pause(time.Second, 2*time.Second)
		from, to = to, from
	}
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
		c.awaitHealthy()
	}
}
