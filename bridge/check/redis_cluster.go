package check

import (
	"context"
	"strconv"

	"github.com/redis/go-redis/v9"

	"chatbridge/internal/plural"
)

// redisCluster judges a Redis Cluster by CLUSTER INFO of the server that has the stream. It
// returns false if the cluster is down.
func (r *run) redisCluster(ctx context.Context, conn redis.UniversalClient) bool {
	text, err := conn.ClusterInfo(ctx).Result()
	if err != nil {
		return true // redis.rights says why
	}
	state := parseInfo(text)
	masters, _ := strconv.Atoi(state["cluster_size"])
	failed, _ := strconv.Atoi(state["cluster_slots_fail"])
	assigned, _ := strconv.Atoi(state["cluster_slots_assigned"])
	const slots = 16384
	switch {
	case state["cluster_state"] != "ok":
		r.fail("redis.cluster", "", "the state of the Redis Cluster is "+state["cluster_state"], "it refuses what the bridges ask: only the bridge that reads the database serves clients",
			"redis-cli --cluster check HOST:PORT says what is missing; redis-cli --cluster fix HOST:PORT mends it")
		return false
	case failed > 0, assigned < slots:
		r.warn("redis.cluster", "", "the Redis Cluster serves "+strconv.Itoa(assigned-failed)+" of 16384 slots", "where the stream's slot is one that is missing, only the bridge that reads the database serves clients",
			"redis-cli --cluster check HOST:PORT says which; redis-cli --cluster fix HOST:PORT mends it")
	default:
		r.ok("redis.cluster", "", "a Redis Cluster of %s, all slots are served", plural.Of(masters, "master", "masters"))
	}
	return true
}
