package check

import (
	"context"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"chatbridge/bridge/cluster"
	"chatbridge/internal/plural"
)

// oldestRedis is the first version that can forget what is old by its position.
const oldestRedis = "6.2"

// redis inspects the Redis of a cluster, and tries what the bridge does there, on keys of its
// own.
func (r *run) redis(ctx context.Context) {
	c := r.cfg.Cluster
	if c.Name == "" {
		return
	}
	connect, err := cluster.Client(c.RedisURL.Reveal())
	if err != nil {
		r.fail("redis.address", "cluster.redis_url", err.Error(), "the bridge does not start", cluster.Remedy(err))
		return
	}
	ctx, cancel := context.WithTimeout(ctx, stepTimeout)
	defer cancel()
	client, conn, err := connectRedis(ctx, connect, c.Name)
	if err == nil {
		defer client.Close()
		err = conn.Ping(ctx).Err()
	}
	if redis.IsPermissionError(err) {
		r.redisRights(err)
		return
	}
	if err != nil {
		r.fail("redis.connect", "cluster.redis_url", err.Error(), withoutRedis, cluster.Remedy(err))
		return
	}
	text, err := conn.Info(ctx).Result()
	info := parseInfo(text)
	if err != nil {
		r.warn("redis.info", "", "the version and the memory cannot be read: "+err.Error(), "this check cannot tell whether they are right", cluster.Remedy(err))
	} else {
		r.redisServer(info)
	}
	if info["cluster_enabled"] == "1" && !r.redisCluster(ctx, conn) {
		return
	}
	r.redisLatency(ctx, conn)
	failed := cluster.Try(ctx, c.RedisURL.Reveal(), c.Name)
	for _, err := range failed {
		r.redisRights(err)
	}
	if slices.ContainsFunc(failed, func(err error) bool { return !cluster.IsFull(err) }) {
		return // of a Redis that is full the bridges are heard all the same
	}
	if len(failed) == 0 {
		r.ok("redis.rights", "", "the bridge may do all that it needs: %s", strings.ToUpper(strings.Join(cluster.Commands, ", ")))
	}
	r.cluster(ctx, r.database(ctx))
}

func (r *run) redisRights(err error) {
	if redis.IsTryAgainError(err) {
		r.warn("redis.rights", "", "the bridge's keys are just being moved to another master of the Redis Cluster, so not all could be tried: "+err.Error(),
			"until they are, the edges may be given nothing, as if Redis were away", "check again when the move has ended; one that was broken off: redis-cli --cluster fix HOST:PORT")
		return
	}
	r.fail("redis.rights", "", err.Error(), withoutRedis, cluster.Remedy(err))
}

// withoutRedis is the consequence of a Redis that cannot be used.
const withoutRedis = "only the bridge that reads the database serves clients"

// connectRedis connects, and returns the client and the server that has the cluster's keys,
// which is closed with it.
func connectRedis(ctx context.Context, connect cluster.Connect, name string) (client, server redis.UniversalClient, err error) {
	if client, err = connect(ctx); err != nil {
		return nil, nil, err
	}
	if server, err = cluster.Owner(ctx, client, name); err != nil {
		_ = client.Close()
		return nil, nil, err
	}
	return client, server, nil
}

// redisServer judges what INFO says.
func (r *run) redisServer(info map[string]string) {
	version := info["redis_version"]
	if olderThan(version, oldestRedis) {
		r.fail("redis.version", "", "Redis is version "+version, "the bridge cannot use it", "install Redis "+oldestRedis+" or later, or Valkey, and start it in place of this one: it may be empty")
	} else {
		r.ok("redis.version", "", "Redis %s", version)
	}
	if info["role"] == "slave" {
		r.fail("redis.replica", "cluster.redis_url", "the server is a replica", "nothing can be written there",
			"in cluster.redis_url the master, "+net.JoinHostPort(info["master_host"], info["master_port"])+", or Sentinel's: "+cluster.RedisURL)
	}
	if info["role"] == "master" {
		r.redisReplication(info)
	}
	r.redisPersistence(info)
	r.redisMemory(info)
}

// countedBridges is for how many bridges the memory for sessions is counted.
const countedBridges = 3

// redisMemory judges how much Redis may take, and what it does when that is full.
func (r *run) redisMemory(info map[string]string) {
	number := func(name string) int64 { n, _ := strconv.ParseInt(info[name], 10, 64); return n }
	limit, policy := number("maxmemory"), info["maxmemory_policy"]
	window := int64(r.cfg.Replay.MaxBytes) * 3 / 2
	sessions := int64(r.cfg.Replay.MaxBytes) / cluster.SessionsShare
	need := window + countedBridges*sessions
	holds := fmt.Sprintf("%d MiB for the events and, with %d bridges, %d MiB for clients' sessions, %d MiB more for each further bridge", window>>20, countedBridges, countedBridges*sessions>>20, sessions>>20)
	if limit == 0 {
		r.ok("redis.memory", "", "Redis' memory has no limit of its own; the bridges need up to %d MiB: %s", need>>20, holds)
		return
	}
	var wrong, meaning, fix []string
	if policy != "noeviction" {
		what := "maxmemory-policy is " + policy
		if n := number("evicted_keys"); n > 0 {
			what += fmt.Sprintf(", by which %d keys were evicted since Redis started", n)
		}
		wrong = append(wrong, what)
		meaning = append(meaning, "when Redis is full it may evict what the bridges read from; the leader writes it again, over and over")
		fix = append(fix, "CONFIG SET maxmemory-policy noeviction")
	}
	if limit < need {
		wrong = append(wrong, fmt.Sprintf("maxmemory is %d MiB", limit>>20))
		meaning = append(meaning, fmt.Sprintf("full, the bridges take %d MiB there (%s): then the edges get nothing more until it is less", need>>20, holds))
		fix = append(fix, fmt.Sprintf("CONFIG SET maxmemory %dmb", (need+number("used_memory"))>>20+1))
	}
	if len(wrong) == 0 {
		r.ok("redis.memory", "", "maxmemory is %d MiB, %s; the bridges need up to %d MiB: %s", limit>>20, policy, need>>20, holds)
		return
	}
	rest := "; CONFIG REWRITE keeps it. Or a Redis of its own"
	if fits := int64(float64(limit)*float64(r.cfg.Replay.MaxBytes)/float64(need)) >> 20; limit < need && fits > 0 {
		rest += fmt.Sprintf(", or replay.max_bytes: %dMiB", fits)
	}
	r.warn("redis.memory", "", strings.Join(wrong, "; "), strings.Join(meaning, "; "), strings.Join(fix, "; ")+rest)
}

const (
	// slowRedis is the round trip from which clients of edges see events late; pings is how
	// many are measured.
	slowRedis = 10 * time.Millisecond
	pings     = 7
	// lateReplica is the lag of a replica from which on it is reported, in seconds.
	lateReplica = 5
)

// redisLatency measures the round trip: what an event takes longer to a client of an
// edge is about two of them.
func (r *run) redisLatency(ctx context.Context, conn redis.UniversalClient) {
	took := make([]time.Duration, 0, pings)
	for range pings {
		began := time.Now()
		if conn.Ping(ctx).Err() != nil {
			return // redis.rights says why
		}
		took = append(took, time.Since(began))
	}
	slices.Sort(took)
	switch median := took[pings/2]; {
	case median > slowRedis:
		r.warn("redis.latency", "", fmt.Sprintf("a round trip to Redis takes %s", median.Round(100*time.Microsecond)),
			"clients of the edges see each event about twice that later, and the leader appends no faster than one entry in that time",
			"cluster.redis_url: a Redis in the same network as the bridges. What slows this one: redis-cli --latency on its own host, SLOWLOG GET and INFO commandstats there")
	default:
		r.ok("redis.latency", "", "a round trip to Redis takes %s", median.Round(10*time.Microsecond))
	}
}

// redisReplication judges the replicas that INFO names.
func (r *run) redisReplication(info map[string]string) {
	sentinel := strings.Contains(r.cfg.Cluster.RedisURL.Reveal(), "master_name=")
	replicas, _ := strconv.Atoi(info["connected_slaves"])
	var late []string
	for i := range replicas {
		fields := map[string]string{} // ip=…,port=…,state=online,offset=…,lag=0
		for field := range strings.SplitSeq(info[fmt.Sprintf("slave%d", i)], ",") {
			name, value, _ := strings.Cut(field, "=")
			fields[name] = value
		}
		if lag, _ := strconv.Atoi(fields["lag"]); lag > lateReplica || fields["state"] != "online" {
			late = append(late, fields["ip"]+":"+fields["port"])
		}
	}
	switch {
	case sentinel && replicas == 0:
		r.warn("redis.replication", "", "Sentinel's master has no replica", "a failover has nowhere to go: when it dies, the leader serves all clients alone",
			"at a second Redis: REPLICAOF MASTER "+info["tcp_port"]+", MASTER being this one's host, and CONFIG SET masteruser and masterauth where it wants a password; Sentinel finds it by itself: SENTINEL REPLICAS NAME")
	case info["cluster_enabled"] == "1" && replicas == 0:
		r.warn("redis.replication", "", "the master that has the stream's slot has no replica", "nobody takes its place: when it dies, the leader serves all clients alone until it is back, empty or not",
			"a replica: redis-cli --cluster add-node NEW:PORT HOST:PORT --cluster-slave")
	case len(late) > 0:
		r.warn("redis.replication", "", "replicas that are behind: "+strings.Join(late, ", "), "after a failover to one the leader appends again what it lacks; no client misses anything",
			"at each of them INFO replication (master_link_status, master_last_io_seconds_ago) and its log say why; where the link breaks under load, at the master: CONFIG SET client-output-buffer-limit \"replica 512mb 128mb 60\" and CONFIG SET repl-backlog-size 64mb")
	case replicas > 0:
		r.ok("redis.replication", "", "Redis has %s, up to date", plural.Of(replicas, "replica", "replicas"))
	default:
		r.ok("redis.replication", "", "Redis has no replica; when it dies the leader serves all clients alone until it is back, empty or not")
	}
}

// redisPersistence: what Redis keeps on disk is of no use to the bridges, but a disk that
// fails makes it refuse writes.
func (r *run) redisPersistence(info map[string]string) {
	rdb, aof := info["rdb_last_bgsave_status"], info["aof_last_write_status"]
	switch {
	case rdb == "err", aof == "err":
		r.warn("redis.persistence", "", "Redis cannot write to its disk", "it may refuse what the leader appends (MISCONF); then only the bridge that reads the database serves clients",
			"free the disk (CONFIG GET dir) and run BGSAVE; or turn off what the bridges do not need: CONFIG SET save \"\"; CONFIG SET appendonly no; CONFIG REWRITE keeps it")
	case info["aof_enabled"] == "1":
		r.ok("redis.persistence", "", "Redis keeps an append-only file, which the bridges do not need")
	default:
		r.ok("redis.persistence", "", "the bridges need nothing of Redis' disk")
	}
}

func parseInfo(text string) map[string]string {
	info := make(map[string]string)
	for line := range strings.Lines(text) {
		if key, value, ok := strings.Cut(strings.TrimSpace(line), ":"); ok {
			info[key] = value
		}
	}
	return info
}

// olderThan compares the first two numbers of versions.
func olderThan(version, than string) bool {
	number := func(v string, i int) int {
		parts := strings.Split(v, ".")
		if i >= len(parts) {
			return 0
		}
		n, _ := strconv.Atoi(parts[i])
		return n
	}
	for i := range 2 {
		if a, b := number(version, i), number(than, i); a != b {
			return a < b
		}
	}
	return false
}
