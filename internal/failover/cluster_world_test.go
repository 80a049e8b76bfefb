package failover_test

import (
	"cmp"
	"context"
	"net/url"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"chatbridge/internal/balancer"
	"chatbridge/internal/chatengine"
	"chatbridge/internal/failover"
	"chatbridge/internal/throwaway"
	"chatbridge/internal/throwaway/redistest"
)

// clusterLong reports whether every fault of a cluster is to be shown at full length.
func clusterLong() bool { return os.Getenv("CLUSTER") == "full" }

// clusterParallel is how many clusters the long form has at a time.
func clusterParallel() int { return number("CLUSTER_PARALLEL", 2) }

// number is that of a variable of the environment, or another one where there is none.
func number(variable string, otherwise int) int {
	if n, err := strconv.Atoi(os.Getenv(variable)); err == nil && n > 0 {
		return n
	}
	return otherwise
}

// clusterNode is a bridge of three, and its ways to Redis and to the database.
type clusterNode struct {
	*failover.Bridge
	toRedis, toDatabase *failover.Link
	clock               *failover.Clock // nil: the machine's
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
	// servers are those of a Redis Cluster, whose first master redis is; nil for none.
	servers *redistest.Cluster
	// toDatabase is the writer's way to it. standby is one that can be promoted, nil for none.
	toDatabase *failover.Link
	standby    *throwaway.Cluster
	redisClock *failover.Clock // nil: the machine's
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
	// clocks: those of Redis and of the bridges can be stepped.
	clocks bool
	// rate is messages per second in the long form; zero: 40.
	rate int
	// window of the bridges; zero: a minute.
	window time.Duration
	// standby: the database has one that can be promoted; version is Postgres', empty for
	// the one that is installed.
	standby bool
	version string
	// sentinel: there is a replica too, and the bridges ask Sentinel for the master.
	sentinel bool
	// redisCluster: the bridges meet over a Redis Cluster.
	redisCluster bool
}

// newClusterWorld starts it all, and the writer's round r00.
func newClusterWorld(t *testing.T, o clusterOptions) *clusterWorld {
	t.Helper()
	c := newClusterNodes(t, o)
	c.balanced()
	c.writer, c.clients = c.world.writer(""), c.world.clients("http://"+c.balance.Addr())
	c.clients.Keep()
	c.writer.Start("r00")
	return c
}

// newClusterNodes starts the database, Redis and the bridges.
func newClusterNodes(t *testing.T, o clusterOptions) *clusterWorld {
	t.Helper()
	form := chatengine.Real
	w := &world{
		t: t, form: form, size: size{clients: 9, processes: 1, rate: 20}, prompt: 30 * time.Second, conversations: conversations(form),
	}
	c := &clusterWorld{world: w, quick: true}
	if clusterLong() {
		w.size, c.quick = size{clients: 60, processes: 2, rate: cmp.Or(o.rate, 40)}, false
	}
	w.window = o.window
	c.startDatabase(o.version, o.standby)
	database, err := url.Parse(c.database)
	if err != nil {
		t.Fatal(err)
	}
	c.toDatabase = failover.NewLink(t, database.Host)
	database.Host = c.toDatabase.Addr()
	w.through = database.String()
	var env []string
	if o.clocks {
		c.redisClock = failover.NewClock(t)
		env = c.redisClock.Preload()
	}
	redisURL := ""
	if o.redisCluster {
		c.servers = redistest.StartCluster(t, "bridge:{test}:", o.redisArgs...)
		c.redis, redisURL = c.servers.Masters[0], c.servers.URL()
	} else {
		c.redis = redistest.StartWith(t, env, o.redisArgs...)
	}
	if o.sentinel {
		c.replica = redistest.Replica(t, c.redis)
		redisURL = redistest.Sentinel(t, sentinelName, c.redis).SentinelURL(sentinelName)
	}
	for range 3 {
		c.nodes = append(c.nodes, c.start(redisURL, o))
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
	if o.clocks {
		n.clock = failover.NewClock(c.t)
	}
	n.Bridge = failover.NewBridge(c.t, failover.BridgeOptions{
		Form: c.form, DatabaseURL: database.String(), Secret: secret, Settings: settings, Clock: n.clock,
	})
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

// awaitHealthy waits until every node is ready, one leads, and all clients are connected.
func (c *clusterWorld) awaitHealthy() {
	c.t.Helper()
	for _, n := range c.nodes {
		n.AwaitReady()
	}
	c.leader()
	failover.Await(c.t, clusterTimeout, "the load balancer to know three bridges", func() bool { return c.balance.Ready() == 3 })
	awaitConnects(c.t, c.clients, c.size.clients)
}

// cutOff lets nothing through for a while: what is sent waits, and then the connections
// are reset, every other time at once. It returns how many connections that were.
func cutOff(d time.Duration, reset bool, links ...*failover.Link) (cut int) {
	for _, l := range links {
		l.Stall()
		if reset {
			cut += l.Cut(-1)
		}
	}
	time.Sleep(d)
	for _, l := range links {
		cut += l.Cut(-1)
		l.Resume()
	}
	return cut
}

// scan returns the one value of a query as text, scanAt that at another address.
func (c *clusterWorld) scan(sql string, args ...any) string {
	c.t.Helper()
	return c.scanAt(c.database, sql, args...)
}

func (c *clusterWorld) scanAt(url, sql string, args ...any) string {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(c.t.Context()), time.Minute)
	defer cancel()
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		c.t.Fatal(err)
	}
	defer conn.Close(ctx)
	var value string
	if err := conn.QueryRow(ctx, sql, args...).Scan(&value); err != nil {
		c.t.Fatal(sql, err)
	}
	return value
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
