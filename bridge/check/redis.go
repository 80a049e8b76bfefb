package check

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"chatbridge/bridge/cluster"
)

// oldestRedis is the first version that can forget what is old by its position.
const oldestRedis = "6.2"

// redis looks at the server over which several bridges are one, and tries what the
// bridge does there on a key of its own.
func (r *run) redis(ctx context.Context) {
	c := r.cfg.Cluster
	if c.Name == "" {
		return
	}
	const alone = "only the bridge that reads the database serves clients"
	client, err := cluster.Client(c.RedisURL.Reveal())
	if err != nil {
		r.fail("redis.address", "cluster.redis_url", err.Error(), "the bridge does not start", cluster.RedisURL)
		return
	}
	ctx, cancel := context.WithTimeout(ctx, stepTimeout)
	defer cancel()
	conn := client()
	defer conn.Close()
	if err := conn.Ping(ctx).Err(); err != nil {
		r.fail("redis.connect", "cluster.redis_url", err.Error(), alone, "see that Redis runs, and that the address, the user and the password are right")
		return
	}
	info, err := conn.Info(ctx).Result()
	if err != nil {
		r.warn("redis.info", "", "the version and the memory cannot be read: "+err.Error(), "this check cannot tell whether they are right", "let the user run INFO: ACL SETUSER … +info")
	} else {
		r.redisServer(parseInfo(info))
	}
	if err := cluster.Try(ctx, c.RedisURL.Reveal(), c.Name); err != nil {
		r.fail("redis.rights", "", err.Error(), alone,
			"let the user run what the bridge needs: ACL SETUSER … "+cluster.Rights)
		return
	}
	r.ok("redis.rights", "", "the bridge may do all that it needs")
}

// redisServer judges what INFO says.
func (r *run) redisServer(info map[string]string) {
	version := info["redis_version"]
	if olderThan(version, oldestRedis) {
		r.fail("redis.version", "", "Redis is version "+version, "the bridge cannot use it", "Redis "+oldestRedis+" or later, or Valkey")
	} else {
		r.ok("redis.version", "", "Redis %s", version)
	}
	if info["role"] == "slave" {
		r.fail("redis.replica", "cluster.redis_url", "the server is a replica", "nothing can be written there", "the master's address, or Sentinel's: "+cluster.RedisURL)
	}
	limit, _ := strconv.ParseInt(info["maxmemory"], 10, 64)
	policy := info["maxmemory_policy"]
	need := int64(r.cfg.Replay.MaxBytes) * 3 / 2
	switch {
	case limit == 0:
		r.ok("redis.memory", "", "Redis' memory has no limit of its own; the bridge needs up to %d MiB", need>>20)
	case strings.HasPrefix(policy, "allkeys"), strings.HasPrefix(policy, "volatile"):
		r.warn("redis.memory", "", "maxmemory-policy is "+policy, "when Redis is full it may evict what the bridges read from; the leader writes it again, over and over",
			"CONFIG SET maxmemory-policy noeviction, or a Redis of its own")
	case limit < need:
		r.warn("redis.memory", "", fmt.Sprintf("maxmemory is %d MiB", limit>>20), fmt.Sprintf("a full replay log takes %d MiB there: then the edges get nothing more until it is shorter", need>>20),
			"raise maxmemory, or lower replay.max_bytes")
	default:
		r.ok("redis.memory", "", "maxmemory is %d MiB, %s; the bridge needs up to %d MiB", limit>>20, policy, need>>20)
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
