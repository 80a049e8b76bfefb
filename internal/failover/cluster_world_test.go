package failover_test

import (
	"context"
	"net/url"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"chatbridge/internal/balancer"
	"chatbridge/internal/chatengine"
	"chatbridge/internal/failover"
	"chatbridge/internal/schemas"
	"chatbridge/internal/throwaway"
	"chatbridge/internal/throwaway/pgtest"
	"chatbridge/internal/throwaway/redistest"
)

// clusterLong reports whether every fault of a cluster is to be shown at full length.
func clusterLong() bool { return os.Getenv("CLUSTER") == "full" }

// clusterRounds is how often the long form shows each fault.
func clusterRounds() int {
	if n, err := strconv.Atoi(os.Getenv("CLUSTER_ROUNDS")); err == nil && n > 0 {
		return n
	}
	return 10
}

// clusterNode is a bridge of three, and its ways to Redis and to the database.
type clusterNode struct {
	*failover.Bridge
	toRedis, toDatabase *failover.Link
}

// leads reports whether the node reads the database. One that does not answer does not.
func (n *clusterNode) leads() bool {
	return n.Running() && len(n.Metrics(`bridge_cluster_role{role="leader"}`)) > 0
}

// clusterWorld is three bridges that are one, a Redis, a load balancer without
// stickiness, and clients there.
type clusterWorld struct {
	*world
	redis   *redistest.Server
	replica *redistest.Server // nil without Sentinel
	// others are bridges of another cluster.
	others  []*clusterNode
	nodes   []*clusterNode
	balance *balancer.Balancer
	writer  *failover.Writer
	clients *failover.Clients
	// bulk is the conversation of the transactions of many rows, bulked how many it has.
	bulk   failover.Conversation
	bulked int
	// reading is how long the leader took to publish the largest one after its commit.
	reading time.Duration
	// quick shortens what takes a minute in the long form.
	quick bool
}

// clusterOptions say what differs from one fault to another.
type clusterOptions struct {
	// settings of the bridges; redisArgs of Redis.
	settings  map[string]string
	redisArgs []string
	// window of the bridges; zero: a minute.
	window time.Duration
	// sentinel: there is a replica too, and the bridges ask Sentinel for the master.
	sentinel bool
}

// newClusterWorld starts it all, and the writer's round r00.
func newClusterWorld(t *testing.T, o clusterOptions) *clusterWorld {
	t.Helper()
	if !clusterLong() {
		t.Parallel()
	}
	c := newClusterNodes(t, o)
	c.balanced()
	c.writer, c.clients = c.world.writer(""), c.world.clients("http://"+c.balance.Addr())
	c.writer.Start("r00")
	return c
}

// newClusterNodes starts the database, Redis and the bridges.
func newClusterNodes(t *testing.T, o clusterOptions) *clusterWorld {
	t.Helper()
	form := chatengine.Real
	w := &world{
		t: t, form: form, size: size{clients: 9, processes: 1, rate: 20, rounds: 1}, prompt: 30 * time.Second, conversations: conversations(form),
	}
	c := &clusterWorld{world: w, quick: true}
	if clusterLong() {
		w.size, c.quick = size{clients: 60, processes: 2, rate: 40, rounds: clusterRounds()}, false
	}
	w.window = o.window
	w.cluster = pgtest.Cluster(t, throwaway.Options{TCP: true})
	w.database = pgtest.On(t, w.cluster, schemas.CRM, w.members())
	c.redis = redistest.Start(t, o.redisArgs...)
	url := ""
	if o.sentinel {
		c.replica = redistest.Replica(t, c.redis)
		url = redistest.Sentinel(t, sentinelName, c.redis).SentinelURL(sentinelName)
	}
	for range 3 {
		c.nodes = append(c.nodes, c.start(url, o))
	}
	return c
}

// start starts a bridge behind links of its own, with Redis at url where that is not
// empty.
func (c *clusterWorld) start(redisURL string, o clusterOptions) *clusterNode {
	c.t.Helper()
	database, err := url.Parse(c.database)
	if err != nil {
		c.t.Fatal(err)
	}
	n := &clusterNode{toRedis: failover.NewLink(c.t, c.redis.Addr), toDatabase: failover.NewLink(c.t, database.Host)}
	database.Host = n.toDatabase.Addr()
	settings := map[string]string{"cluster.name": "test", "cluster.redis_url": "redis://" + n.toRedis.Addr()}
	if redisURL != "" {
		settings["cluster.redis_url"] = redisURL
	}
	if o.window > 0 {
		settings["replay.window"] = o.window.String()
	}
	for key, value := range o.settings {
		settings[key] = value
	}
	n.Bridge = c.bridge(database.String(), settings)
	return n
}

// balanced starts the load balancer, which ends with the test.
func (c *clusterWorld) balanced() {
	c.t.Helper()
	var servers []string
	for _, n := range c.nodes {
		servers = append(servers, n.Addr())
	}
	b, err := balancer.Listen(balancer.Options{Listen: "127.0.0.1:0", Servers: servers})
	if err != nil {
		c.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(c.t.Context()))
	done := make(chan struct{})
	go func() { defer close(done); _ = b.Run(ctx) }()
	c.t.Cleanup(func() { cancel(); <-done })
	failover.Await(c.t, clusterTimeout, "the load balancer to know three bridges", func() bool { return b.Ready() == 3 })
	c.balance = b
}

// leader returns who leads, as soon as one does.
func (c *clusterWorld) leader() *clusterNode {
	c.t.Helper()
	var leader *clusterNode
	failover.Await(c.t, clusterTimeout, "a leader", func() bool {
		for _, n := range c.nodes {
			if n.leads() {
				leader = n
				return true
			}
		}
		return false
	})
	return leader
}

// edge returns one that does not lead.
func (c *clusterWorld) edge() *clusterNode {
	c.t.Helper()
	leader := c.leader()
	for _, n := range c.nodes {
		if n != leader {
			return n
		}
	}
	panic("there is one node")
}

// anotherLeads waits until somebody else leads.
func (c *clusterWorld) anotherLeads(before *clusterNode) {
	c.t.Helper()
	failover.Await(c.t, clusterTimeout, "another leader", func() bool {
		for _, n := range c.nodes {
			if n != before && n.leads() {
				return true
			}
		}
		return false
	})
}

// whole waits until every node is ready, one leads, and all clients are connected.
func (c *clusterWorld) whole() {
	c.t.Helper()
	for _, n := range c.nodes {
		n.AwaitReady()
	}
	c.leader()
	failover.Await(c.t, clusterTimeout, "the load balancer to know three bridges", func() bool { return c.balance.Ready() == 3 })
	awaitConnects(c.t, c.clients, c.size.clients)
}

// cut lets nothing through for a while: what is sent waits, and then the connections
// are reset, every other time at once.
func cutOff(d time.Duration, reset bool, links ...*failover.Link) {
	for _, l := range links {
		l.Stall()
		if reset {
			l.Cut(-1)
		}
	}
	time.Sleep(d)
	for _, l := range links {
		l.Cut(-1)
		l.Resume()
	}
}

// lasting is how long a fault lasts that the long form gives a duration.
func (c *clusterWorld) lasting(long, short time.Duration) time.Duration {
	if c.quick {
		return short
	}
	return long
}

// hostPort is the host and port of a URL without a path.
func hostPort(address string) string { return strings.TrimPrefix(address, "http://") }
