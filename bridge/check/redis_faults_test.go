package check_test

import (
	"context"
	"log/slog"
	"net"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"chatbridge/bridge/check"
	"chatbridge/bridge/cluster"
	"chatbridge/configs"
	"chatbridge/internal/throwaway/redistest"
	"chatbridge/source/postgres/provision"
)

// redisFindings are those of `bridge check` about a Redis.
func redisFindings(t *testing.T, url string, more ...string) (all []check.Finding) {
	t.Helper()
	cfg, err := configs.Load(configs.Sources{Env: append([]string{"BRIDGE_CLUSTER_REDIS_URL=" + url, "BRIDGE_CLUSTER_NAME=crm"}, more...)})
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range check.Run(t.Context(), cfg) {
		if strings.HasPrefix(f.ID, "redis.") || strings.HasPrefix(f.ID, "cluster.") {
			all = append(all, f)
		}
	}
	return all
}

// TestRedisFaults: what Redis refuses is told with what is wrong and with what mends it.
func TestRedisFaults(t *testing.T) {
	t.Parallel()
	do := func(t *testing.T, s *redistest.Server, command ...any) {
		t.Helper()
		if err := s.Client().Do(t.Context(), command...).Err(); err != nil {
			t.Fatal(command, err)
		}
	}
	// Each returns the address to check.
	faults := []struct {
		name      string
		make      func(t *testing.T) string
		what, fix string
	}{
		{"full", func(t *testing.T) string {
			s := redistest.Start(t)
			do(t, s, "config", "set", "maxmemory", "1mb")
			return s.URL()
		}, "Redis is full", "CONFIG SET maxmemory"},
		{"too few replicas", func(t *testing.T) string {
			s := redistest.Start(t)
			do(t, s, "config", "set", "min-replicas-to-write", "1")
			return s.URL()
		}, "fewer replicas than min-replicas-to-write", "CONFIG SET min-replicas-to-write 0"},
		{"a replica", func(t *testing.T) string {
			return redistest.Replica(t, redistest.Start(t)).URL()
		}, "replica", "master"},
		{"a replica without its master", func(t *testing.T) string {
			of := redistest.Start(t)
			s := redistest.Replica(t, of)
			do(t, s, "config", "set", "replica-serve-stale-data", "no")
			of.Kill()
			s.Await("it has lost its master", func(ctx context.Context, c *redis.Client) bool {
				err := c.Get(ctx, "x").Err()
				return err != nil && strings.HasPrefix(err.Error(), "MASTERDOWN")
			})
			return s.URL()
		}, "has lost its master", "REPLICAOF NO ONE"},
		{"it cannot save", func(t *testing.T) string {
			dir := t.TempDir()
			s := redistest.Start(t, "--dir", dir)
			do(t, s, "config", "set", "save", "3600 1")
			if err := os.RemoveAll(dir); err != nil {
				t.Fatal(err)
			}
			do(t, s, "bgsave")
			s.Await("that saving has failed", func(ctx context.Context, c *redis.Client) bool {
				return strings.Contains(c.Info(ctx, "persistence").Val(), "rdb_last_bgsave_status:err")
			})
			return s.URL()
		}, "last snapshot (RDB) failed", "stop-writes-on-bgsave-error no"},
		{"no password", func(t *testing.T) string {
			s := redistest.Start(t)
			do(t, s, "config", "set", "requirepass", "x")
			return s.URL()
		}, "Redis wants a password", "redis://:PASSWORD@"},
		{"a wrong password", func(t *testing.T) string {
			s := redistest.Start(t)
			do(t, s, "config", "set", "requirepass", "x")
			return "redis://:y@" + s.Addr
		}, "user or password is wrong", "percent-encoded"},
		{"a database that there is not", func(t *testing.T) string {
			return redistest.Start(t).URL() + "/77"
		}, "no database 77", "`databases`"},
		{"too many connections", func(t *testing.T) string {
			s := redistest.Start(t)
			c := s.Client()
			if err := c.Ping(t.Context()).Err(); err != nil { // stays connected
				t.Fatal(err)
			}
			if err := c.ConfigSet(t.Context(), "maxclients", "1").Err(); err != nil {
				t.Fatal(err)
			}
			return s.URL()
		}, "as many connections as it may have", "CONFIG SET maxclients"},
		{"a command by another name", func(t *testing.T) string {
			return redistest.Start(t, "--rename-command", "XTRIM", "ZZZ").URL()
		}, "does not know XTRIM", "rename-command XTRIM"},
		{"no scripts", func(t *testing.T) string {
			return redistest.Start(t, "--rename-command", "EVALSHA", "").URL()
		}, "does not know EVALSHA", "rename-command EVALSHA"},
		{"a script that does not end", func(t *testing.T) string {
			s := redistest.Start(t, "--lua-time-limit", "1")
			return endless(t, s, "while true do end")
		}, "a script of another program", "SCRIPT KILL"},
		{"a Redis Cluster's node", func(t *testing.T) string {
			return redistest.Start(t, "--cluster-enabled", "yes").URL()
		}, "Redis Cluster", "--cluster fix"},
		{"nobody", func(t *testing.T) string {
			s := redistest.Start(t)
			s.Kill()
			return s.URL()
		}, "nobody listens there", "start Redis"},
		{"no such host", func(*testing.T) string {
			return "redis://redis.invalid:6379"
		}, "name of Redis' host is not known", "DNS"},
		{"not Redis", func(t *testing.T) string {
			return "redis://" + answering(t, "HTTP/1.1 400 Bad Request\r\n\r\n")
		}, "what answers is no Redis", "host and port of cluster.redis_url"},
		{"closes", func(t *testing.T) string {
			return "redis://" + answering(t, "")
		}, "closed the connection", "rediss://"},
		{"protected", func(t *testing.T) string {
			return "redis://" + answering(t, "-DENIED Redis is running in protected mode because protected mode is enabled\r\n")
		}, "protected mode", "requirepass"},
		{"loading", func(t *testing.T) string {
			return "redis://" + answering(t, "-LOADING Redis is loading the dataset in memory\r\n")
		}, "reads its data from disk", "wait"},
		{"Sentinel without the name", func(t *testing.T) string {
			return redistest.Sentinel(t, "crm", redistest.Start(t)).SentinelURL("other")
		}, "Sentinel knows no master of that name", "sentinel monitor"},
		{"no Sentinel", func(t *testing.T) string {
			s := redistest.Sentinel(t, "crm", redistest.Start(t))
			s.Kill()
			return s.SentinelURL("crm")
		}, "no Sentinel answers", "addr="},
		{"TLS at a port without", func(t *testing.T) string {
			return "rediss://" + redistest.Start(t).Addr
		}, "", "redis:// in cluster.redis_url"},
		{"a port with TLS", func(t *testing.T) string {
			return "redis://" + secured(t)
		}, "", "rediss:// in cluster.redis_url"},
		{"TLS of an unknown authority", func(t *testing.T) string {
			return "rediss://" + secured(t)
		}, "the authority of Redis' certificate is not known", "SSL_CERT_FILE"},
	}
	for _, f := range faults {
		t.Run(f.name, func(t *testing.T) {
			t.Parallel()
			found := redisFindings(t, f.make(t))
			for _, got := range found {
				if got.Level == provision.Fail && strings.Contains(got.What, f.what) && strings.Contains(got.Fix, f.fix) {
					return
				}
			}
			t.Errorf("nothing says %q and what to do, %q:", f.what, f.fix)
			for _, got := range found {
				t.Logf("%s %s: %s\n\t%s", got.ID, got.Level, got.What, got.Fix)
			}
		})
	}
}

// endless lets a script run at a server until the test ends.
func endless(t *testing.T, s *redistest.Server, script string) string {
	t.Helper()
	c := redis.NewClient(&redis.Options{Addr: s.Addr, MaxRetries: -1, DisableIdentity: true, Protocol: 2, ReadTimeout: -1})
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = c.Eval(context.Background(), script, nil).Err()
	}()
	t.Cleanup(func() { s.Kill(); <-ended; _ = c.Close() })
	s.Await("it is busy", func(ctx context.Context, c *redis.Client) bool {
		err := c.Ping(ctx).Err()
		return err != nil && strings.HasPrefix(err.Error(), "BUSY")
	})
	return s.URL()
}

// answering is the address of something that answers each connection with a text when
// something has come, and closes it.
func answering(t *testing.T, text string) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			_, _ = conn.Read(make([]byte, 4096))
			_, _ = conn.Write([]byte(text))
			_ = conn.Close()
		}
	}()
	t.Cleanup(func() { _ = ln.Close(); <-ended })
	return ln.Addr().String()
}

// secured is the address of a server that speaks TLS, too, with a certificate of its own.
func secured(t *testing.T) string {
	t.Helper()
	cert, keyFile := certificate(t, time.Now().Add(time.Hour))
	s := redistest.Start(t)
	admin := s.Client()
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := free.Addr().String()
	_ = free.Close()
	_, port, _ := net.SplitHostPort(addr)
	if err := admin.Do(t.Context(), "config", "set", "tls-cert-file", cert, "tls-key-file", keyFile, "tls-ca-cert-file", cert, "tls-auth-clients", "no", "tls-port", port).Err(); err != nil {
		t.Fatal(err)
	}
	return addr
}

// TestWhatABridgeTellsTheOthers: an address that nobody can use is told.
func TestWhatABridgeTellsTheOthers(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	warned := func(advertise, what, fix string) {
		t.Helper()
		found := redisFindings(t, s.URL(), "BRIDGE_CLUSTER_ADVERTISE="+advertise)
		for _, f := range found {
			if f.ID == "cluster.advertise" && f.Level == provision.Warn && f.Object == advertise {
				if !strings.Contains(f.What, what) || !strings.Contains(f.Fix, fix) {
					t.Errorf("%s: %s\n%s", advertise, f.What, f.Fix)
				}
				return
			}
		}
		if what != "" {
			t.Errorf("%s: nothing is found: %v", advertise, found)
		}
	}
	warned("http://bridge.invalid:8080", "its name is not known", "cluster.advertise: http://127.0.0.1:")
	warned("http://localhost:8080", "", "") // alone
	shared, err := cluster.NewShared(s.URL(), "crm")
	if err != nil {
		t.Fatal(err)
	}
	defer shared.Close()
	// Two of another host, that nobody reaches from here.
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 2)
	for _, name := range []string{"there/1", "there/2"} {
		bus := cluster.NewBus(cluster.BusOptions{
			Shared: shared, ID: cluster.NewNodeID(), Advertise: func() string { return "http://192.0.2.1:8080" },
			About: func() cluster.About { return cluster.About{Name: name, Secret: "x"} }, Logger: slog.New(slog.DiscardHandler),
		})
		go func() { ended <- bus.Run(ctx) }()
	}
	s.Await("the others listen", func(ctx context.Context, c *redis.Client) bool {
		return c.PubSubNumSub(ctx, "bridge:{crm}:bus").Val()["bridge:{crm}:bus"] == 2
	})
	warned("http://localhost:8080", "some of them are on other hosts", "cluster.advertise: ")
	warned("http://192.0.2.1:8080", "from here it is not", "at that bridge cluster.advertise")
	warned("http://192.0.2.1:8080", "tells the same address", "at that bridge cluster.advertise")
	cancel()
	<-ended
	<-ended
}

var configSet = regexp.MustCompile(`CONFIG SET ([a-z-]+) ("[^"]*"|[^\s;,.]+)`)

// TestWhatTheCheckPrintsMendsIt: the commands of a remedy, run at Redis, end the finding.
func TestWhatTheCheckPrintsMendsIt(t *testing.T) {
	t.Parallel()
	for name, settings := range map[string][]any{
		"evicts":                 {"maxmemory", "900mb", "maxmemory-policy", "allkeys-lru"},
		"is small":               {"maxmemory", "90mb"},
		"is small, and evicts":   {"maxmemory", "90mb", "maxmemory-policy", "volatile-ttl"},
		"full":                   {"maxmemory", "1mb"},
		"wants replicas":         {"min-replicas-to-write", "2"},
		"has a limit of its own": {"maxclients", "2000", "maxmemory", "90mb"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := redistest.Start(t)
			if err := s.Client().Do(t.Context(), append([]any{"config", "set"}, settings...)...).Err(); err != nil {
				t.Fatal(err)
			}
			ran := 0
			for _, f := range redisFindings(t, s.URL()) {
				if f.Level == provision.OK {
					continue
				}
				for _, m := range configSet.FindAllStringSubmatch(f.Fix, -1) {
					value := strings.Trim(m[2], `"`)
					if value == "to" { // a value of the operator's choice
						continue
					}
					if ran++; s.Client().ConfigSet(t.Context(), m[1], value).Err() != nil {
						t.Errorf("CONFIG SET %s %s is refused", m[1], value)
					}
				}
			}
			if ran == 0 {
				t.Error("nothing to run is printed")
			}
			for _, f := range redisFindings(t, s.URL()) {
				if f.Level != provision.OK {
					t.Errorf("still %s %s: %s", f.ID, f.What, f.Fix)
				}
			}
		})
	}
}

// TestTheCheckOfAFullRedis: the other bridges are asked all the same, and nothing is offered
// that does not fit.
func TestTheCheckOfAFullRedis(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	if err := s.Client().ConfigSet(t.Context(), "maxmemory", "1mb").Err(); err != nil {
		t.Fatal(err)
	}
	found := redisFindings(t, s.URL(), "BRIDGE_REPLAY_MAX_BYTES=8MiB", "BRIDGE_CLUSTER_ADVERTISE=http://bridge.invalid:8080")
	if !slices.ContainsFunc(found, func(f provision.Finding) bool { return strings.HasPrefix(f.ID, "cluster.") }) {
		t.Errorf("nothing of the cluster: %v", found)
	}
	for _, f := range found {
		if strings.Contains(f.Fix, "replay.max_bytes: 0") {
			t.Errorf("%+v", f)
		}
	}
}
