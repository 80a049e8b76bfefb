package check_test

import (
	"context"
	"io"
	"net"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"chatbridge/bridge/cluster"
	"chatbridge/internal/throwaway/redistest"
	"chatbridge/source/postgres/provision"
)

// redisLevels are the findings of a check of a Redis, with their levels.
func redisLevels(t *testing.T, url string) []string {
	t.Helper()
	var all []string
	for _, f := range redisFindings(t, url) {
		if strings.HasPrefix(f.ID, "redis.") {
			all = append(all, f.ID+" "+f.Level.String())
			if f.Level != provision.OK && f.Fix == "" {
				t.Errorf("%s has no remedy", f.ID)
			}
		}
	}
	return all
}

// TestRedis: what of Redis keeps bridges from being one is told, each with its remedy.
func TestRedis(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	is := func(what, url string, want ...string) {
		t.Helper()
		if got := redisLevels(t, url); !slices.Equal(got, want) {
			t.Errorf("%s: %q, want %q", what, got, want)
		}
	}
	well := []string{"redis.version ok", "redis.replication ok", "redis.persistence ok", "redis.memory ok", "redis.latency ok", "redis.rights ok"}
	but := func(other ...string) []string {
		all := slices.Clone(well)
		for _, f := range other {
			id, _, _ := strings.Cut(f, " ")
			for i := range all {
				if strings.HasPrefix(all[i], id+" ") {
					all[i] = f
				}
			}
		}
		return all
	}
	is("all is well", server.URL(), well...)
	if keys := server.Client().Keys(t.Context(), "*").Val(); len(keys) > 0 {
		t.Errorf("the check left %q", keys)
	}
	admin := server.Client()
	for _, command := range [][]any{
		{"config", "set", "maxmemory-policy", "allkeys-lru"},
		{"config", "set", "maxmemory", "900mb"},
		{"acl", "setuser", "reader", "on", ">pw", "~bridge:*", "+ping", "+xread", "+info", "+client|setname"},
		append([]any{"acl", "setuser", "bridge", "on", ">pw"}, fields(cluster.Rights)...),
		append([]any{"acl", "setuser", "deaf", "on", ">pw"}, fields(strings.ReplaceAll(cluster.Rights, "&bridge:*", "resetchannels"))...),
	} {
		if err := admin.Do(t.Context(), command...).Err(); err != nil {
			t.Fatal(command, err)
		}
	}
	is("a policy that evicts", server.URL(), but("redis.memory warn")...)
	is("a user without rights", strings.Replace(server.URL(), "//", "//reader:pw@", 1), but("redis.memory warn", "redis.rights fail")...)
	is("a user with those that are named", strings.Replace(server.URL(), "//", "//bridge:pw@", 1), but("redis.memory warn")...)
	is("a user without the channel", strings.Replace(server.URL(), "//", "//deaf:pw@", 1), but("redis.memory warn", "redis.rights fail")...)

	far := slow(t, server.Addr)
	is("one that is far away", "redis://"+far, but("redis.memory warn", "redis.latency warn")...)

	replica := redistest.Replica(t, server)
	is("a replica", replica.URL(), "redis.version ok", "redis.replica fail", "redis.persistence ok", "redis.memory ok", "redis.latency ok", "redis.rights fail")
	is("one with a replica", server.URL(), but("redis.memory warn")...)

	// Its disk fails: the directory is gone.
	dir := t.TempDir()
	broken := redistest.Start(t, "--dir", dir)
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	if err := broken.Client().BgSave(t.Context()).Err(); err != nil {
		t.Fatal(err)
	}
	broken.Await("that saving has failed", func(ctx context.Context, c *redis.Client) bool {
		return strings.Contains(c.Info(ctx, "persistence").Val(), "rdb_last_bgsave_status:err")
	})
	is("one that cannot save", broken.URL(), but("redis.persistence warn")...)

	sentinel := redistest.Sentinel(t, "crm", redistest.Start(t))
	is("Sentinel's, without a replica", sentinel.SentinelURL("crm"), but("redis.replication warn")...)
	server.Kill()
	is("nobody", server.URL(), "redis.connect fail")
}

// TestRedisCluster: what of a Redis Cluster keeps bridges from being one is told. The
// rights that are named suffice there.
func TestRedisCluster(t *testing.T) {
	t.Parallel()
	servers := redistest.StartCluster(t, "bridge:{crm}:")
	is := func(what, url string, want ...string) {
		t.Helper()
		if got := redisLevels(t, url); !slices.Equal(got, want) {
			t.Errorf("%s: %q, want %q", what, got, want)
		}
	}
	well := []string{"redis.version ok", "redis.replication ok", "redis.persistence ok", "redis.memory ok", "redis.cluster ok", "redis.latency ok", "redis.rights ok"}
	is("all is well", servers.URL(), well...)
	is("a database", servers.Masters[0].URL()+"/3", "redis.connect fail")
	for _, s := range append(slices.Clone(servers.Masters), servers.Replica) {
		for _, command := range [][]any{
			append([]any{"acl", "setuser", "bridge", "on", ">pw"}, fields(cluster.Rights)...),
			{"acl", "setuser", "former", "on", ">pw", "~bridge:*", "&bridge:*", "+@all", "-cluster"},
		} {
			if err := s.Client().Do(t.Context(), command...).Err(); err != nil {
				t.Fatal(command, err)
			}
		}
	}
	as := func(user string) string { return strings.Replace(servers.URL(), "//", "//"+user+":pw@", 1) }
	is("a user with the rights that are named", as("bridge"), well...)
	is("one that may not ask who has which slot", as("former"), "redis.rights fail")
	servers.BeginMove(servers.Masters[0], servers.Masters[1])
	moving := slices.Clone(well)
	moving[len(moving)-1] = "redis.rights warn"
	is("the slot is being moved", as("bridge"), moving...)
	servers.EndMove(servers.Masters[0], servers.Masters[0])

	servers.Replica.Kill()
	servers.Masters[0].Await("it has no replica", func(ctx context.Context, c *redis.Client) bool {
		return strings.Contains(c.Info(ctx, "replication").Val(), "connected_slaves:0")
	})
	is("nobody takes the master's place", servers.URL(), "redis.version ok", "redis.replication warn", "redis.persistence ok", "redis.memory ok", "redis.cluster ok", "redis.latency ok", "redis.rights ok")
	servers.Masters[1].Kill()
	servers.Masters[0].Await("the cluster is not whole", func(ctx context.Context, c *redis.Client) bool {
		return strings.Contains(c.ClusterInfo(ctx).Val(), "cluster_state:fail")
	})
	is("a master is missing", servers.URL(), "redis.version ok", "redis.replication warn", "redis.persistence ok", "redis.memory ok", "redis.cluster fail")
}

// TestTheRightsAreDocumented as the check has them.
func TestTheRightsAreDocumented(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../docs/cluster.md")
	for _, rights := range []string{cluster.Rights, cluster.SentinelRights} {
		if err != nil || !strings.Contains(string(text), "ACL SETUSER bridge on >PASSWORD "+rights+"\n") {
			t.Errorf("docs/cluster.md has not the line, %v: ACL SETUSER bridge on >PASSWORD %s", err, rights)
		}
	}
}

func fields(text string) (all []any) {
	for _, f := range strings.Fields(text) {
		all = append(all, f)
	}
	return all
}

// slow passes connections on to an address, and each piece of what is sent there 15 ms
// late.
func slow(t *testing.T, to string) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var running sync.WaitGroup
	running.Go(func() {
		for {
			client, err := ln.Accept()
			if err != nil {
				return
			}
			server, err := net.Dial("tcp", to)
			if err != nil {
				client.Close()
				continue
			}
			running.Go(func() {
				_, _ = io.Copy(client, server)
				client.Close()
			})
			running.Go(func() {
				for buf := make([]byte, 4096); ; {
					n, err := client.Read(buf)
					if err != nil {
						server.Close()
						return
					}
					time.Sleep(15 * time.Millisecond) // the distance
					_, _ = server.Write(buf[:n])
				}
			})
		}
	})
	t.Cleanup(func() { ln.Close(); running.Wait() })
	return ln.Addr().String()
}
