package redistest

import (
	"context"
	"fmt"
	"net"
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"

	"chatbridge/internal/ports"
)

// nodeTimeout is after how long the servers of a Cluster take a silent one for dead; a
// replica leads some two seconds later.
const nodeTimeout = "500"

// Cluster is a Redis Cluster of three masters, of which the first has one replica.
type Cluster struct {
	// Masters are those that it began with. The first has the slot of the key that
	// StartCluster was given.
	Masters []*Server
	Replica *Server

	t    testing.TB
	slot int
	ids  map[*Server]string
}

// StartCluster starts a Redis Cluster whose first master has the slot of a key, with more
// arguments for each server.
func StartCluster(t testing.TB, key string, args ...string) *Cluster {
	t.Helper()
	c := &Cluster{t: t, ids: make(map[*Server]string)}
	bus := make(map[*Server]string)
	start := func() *Server {
		addr, err := ports.Free()
		if err != nil {
			t.Fatal("redistest:", err)
		}
		_, port, _ := net.SplitHostPort(addr)
		s := Start(t, append([]string{
			"--cluster-enabled", "yes", "--cluster-node-timeout", nodeTimeout, "--cluster-port", port,
			"--cluster-replica-validity-factor", "0", "--cluster-allow-replica-migration", "no",
		}, args...)...)
		bus[s], c.ids[s] = port, c.text(s, "cluster", "myid")
		return s
	}
	for range 3 {
		c.Masters = append(c.Masters, start())
	}
	c.Replica = start()
	slot, _ := c.run(c.Masters[0], "cluster", "keyslot", key).(int64)
	c.slot = int(slot)
	ranges := [][2]int{{0, 5460}, {5461, 10922}, {10923, 16383}}
	for i, r := range ranges {
		if r[0] <= c.slot && c.slot <= r[1] {
			ranges[0], ranges[i] = ranges[i], ranges[0]
		}
	}
	for i, s := range c.Masters {
		c.do(s, "cluster", "set-config-epoch", i+1)
		c.do(s, "cluster", "addslotsrange", ranges[i][0], ranges[i][1])
	}
	for s, port := range bus {
		if s != c.Masters[0] {
			host, at, _ := net.SplitHostPort(s.Addr)
			c.do(c.Masters[0], "cluster", "meet", host, at, port)
		}
	}
	c.Replica.Await("it knows its master", func(ctx context.Context, r *redis.Client) bool {
		return strings.Contains(r.ClusterNodes(ctx).Val(), c.ids[c.Masters[0]]+" 127.0.0.1")
	})
	c.do(c.Replica, "cluster", "replicate", c.ids[c.Masters[0]])
	for s := range bus {
		s.Await("the cluster is whole", func(ctx context.Context, r *redis.Client) bool {
			nodes := r.ClusterNodes(ctx).Val()
			return strings.Contains(r.ClusterInfo(ctx).Val(), "cluster_state:ok") &&
				strings.Count(nodes, "\n") == 4 && strings.Count(nodes, "slave") == 1 && !strings.Contains(nodes, "handshake")
		})
	}
	c.AwaitReplica()
	return c
}

// URL is the address for cluster.redis_url, of some servers of the cluster.
func (c *Cluster) URL() string {
	return "redis://" + c.Masters[0].Addr + "?addr=" + c.Masters[1].Addr + "&addr=" + c.Masters[2].Addr
}

// AwaitReplica waits until the replica has all that its master has by now.
func (c *Cluster) AwaitReplica() {
	c.t.Helper()
	offset := func(info string) (n int64) {
		_, after, _ := strings.Cut(info, "master_repl_offset:")
		_, _ = fmt.Sscan(after, &n)
		return n
	}
	info, _ := c.run(c.Masters[0], "info", "replication").(string)
	c.Replica.Await("it follows", func(ctx context.Context, r *redis.Client) bool {
		has := r.Info(ctx, "replication").Val()
		return strings.Contains(has, "master_link_status:up") && offset(has) >= offset(info)
	})
}

// FailOver kills the first master, and returns when its replica has taken its place.
// What was written since the replica was made to sleep, and cut off, is lost.
func (c *Cluster) FailOver() {
	c.t.Helper()
	c.Masters[0].Kill()
	c.Replica.Wake()
	c.Replica.Await("it is the master", func(ctx context.Context, r *redis.Client) bool {
		return strings.Contains(r.ClusterNodes(ctx).Val(), "myself,master") &&
			strings.Contains(r.ClusterInfo(ctx).Val(), "cluster_state:ok")
	})
	c.Masters[0], c.Replica = c.Replica, c.Masters[0]
}

// BeginMove makes two masters ready for the keys of the slot to be moved from one to the
// other.
func (c *Cluster) BeginMove(from, to *Server) {
	c.t.Helper()
	c.do(to, "cluster", "setslot", c.slot, "importing", c.ids[from])
	c.do(from, "cluster", "setslot", c.slot, "migrating", c.ids[to])
}

// MoveKeys moves the keys that there are, or those that are named.
func (c *Cluster) MoveKeys(from, to *Server, keys ...string) {
	c.t.Helper()
	host, port, _ := net.SplitHostPort(to.Addr)
	for all := len(keys) == 0; ; {
		args := []any{"migrate", host, port, "", 0, 5000, "keys"}
		for _, k := range keys {
			args = append(args, k)
		}
		if all {
			there, _ := c.run(from, "cluster", "getkeysinslot", c.slot, 100).([]any)
			if len(there) == 0 {
				return
			}
			args = append(args, there...)
		}
		c.do(from, args...)
		if !all {
			return
		}
	}
}

// EndMove gives the slot to its new master.
func (c *Cluster) EndMove(from, to *Server) {
	c.t.Helper()
	for _, s := range append([]*Server{to, from}, c.Masters...) {
		c.do(s, "cluster", "setslot", c.slot, "node", c.ids[to])
	}
}

// Move moves the slot.
func (c *Cluster) Move(from, to *Server) {
	c.t.Helper()
	c.BeginMove(from, to)
	c.MoveKeys(from, to)
	c.EndMove(from, to)
}

func (c *Cluster) run(s *Server, args ...any) any {
	c.t.Helper()
	client := redis.NewClient(&redis.Options{Addr: s.Addr, MaxRetries: -1, DisableIdentity: true, Protocol: 2})
	defer client.Close()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(c.t.Context()), startTimeout)
	defer cancel()
	answer, err := client.Do(ctx, args...).Result()
	if err != nil {
		c.t.Fatal("redistest:", args, err)
	}
	return answer
}

func (c *Cluster) do(s *Server, args ...any) { c.t.Helper(); c.run(s, args...) }

func (c *Cluster) text(s *Server, args ...any) string {
	c.t.Helper()
	text, _ := c.run(s, args...).(string)
	return text
}
