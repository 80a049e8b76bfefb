package bridge_test

import (
	"testing"

	"chatbridge/internal/schemas"
	"chatbridge/internal/throwaway/pgtest"
	"chatbridge/internal/throwaway/redistest"
)

// TestBridgesOverARedisCluster are one as over a single server: sessions go on at the other
// bridge, who types is told, and neither the death of the master that has the stream,
// whose replica lacks what it had acknowledged, nor a move of the slot costs a client
// anything.
func TestBridgesOverARedisCluster(t *testing.T) {
	t.Parallel()
	servers := redistest.StartCluster(t, "bridge:{test}:")
	c := &clusterTest{t: t, redis: servers.Masters[0], url: servers.URL(), dsn: pgtest.DB(t, schemas.CRM)}
	c.conn, c.ids = crmDatabase(t, c.dsn, 1)
	first := c.start()
	first.ready()
	first.await("that it leads", func() bool { return role(first) == "leader" })
	second := c.start()
	second.ready()
	atFirst, atSecond := first.client(c.ids[0]), second.client(c.ids[0])
	both := func(what string) {
		t.Helper()
		c.insert(what)
		c.whole(what+", at the leader", atFirst)
		c.whole(what+", at the edge", atSecond)
	}
	both("while all is well")
	atFirst.typesUntil(c.ids[0], func() bool { return atSecond.typings(c.ids[0]) > 0 })

	ana, _ := first.visit("ana", "", "", c.ids[0])
	c.awaitKept(first, ana.pid, c.ids[0]) // a later event's offset proves that she had all until then
	both("seen by ana")
	ana.has("seen by ana")
	pid, offset := ana.pid, ana.last()
	ana.leave()
	both("while ana is away")
	ana, restored := second.visit("ana", pid, offset)
	if !restored {
		t.Error("the session did not go on at the other bridge")
	}
	ana.has("while ana is away")

	servers.AwaitReplica()
	servers.Replica.Stop()
	servers.Masters[0].Cut()
	both("what the replica lacks")
	servers.FailOver()
	c.redis = servers.Masters[0]
	both("under the replica")

	from, to := servers.Masters[0], servers.Masters[1]
	servers.BeginMove(from, to)
	both("before the keys are moved")
	servers.MoveKeys(from, to)
	both("between")
	servers.EndMove(from, to)
	both("after the move")
	before := atSecond.typings(c.ids[0])
	atFirst.typesUntil(c.ids[0], func() bool { return atSecond.typings(c.ids[0]) > before })

	first.stop()
	second.await("that it leads", func() bool { return role(second) == "leader" })
	c.insert("under the second")
	c.whole("under the second", atSecond)
	ana.has("under the second")
}
