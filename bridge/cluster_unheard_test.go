package bridge_test

import (
	"slices"
	"strings"
	"testing"

	"chatbridge/bridge/check"
	"chatbridge/internal/throwaway/redistest"
	"chatbridge/source/postgres/provision"
)

// TestTheLeaderIsAtAnotherRedis: a bridge that hears no leader, and sees a bridge of its cluster
// read the slot, says that this one is not heard on its Redis, and what to do; so does `bridge
// check`. Of another database of one server, whose PUB/SUB is heard, the numbers are told too.
func TestTheLeaderIsAtAnotherRedis(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		address func(t *testing.T, c *clusterTest) string
		heard   bool
		check   string
	}{
		"another server":          {func(t *testing.T, _ *clusterTest) string { return redistest.Start(t).URL() }, false, "cluster.bridges cluster.redis_url fail"},
		"another database number": {func(_ *testing.T, c *clusterTest) string { return c.redis.URL() + "/1" }, true, "cluster.alike cluster.redis_url warn"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newClusterTest(t)
			leader := c.start()
			leader.await("that it leads", func() bool { return role(leader) == "leader" })
			address := tt.address(t, c)
			edge := c.start("REDIS_URL=" + address)
			const said = "of this cluster has the slot, and is not heard on this Redis"
			edge.await("whom it does not hear", func() bool {
				s := edge.Snapshot().Cluster
				return strings.Contains(s.Error, said) && strings.Contains(s.Remedy, "the same cluster.redis_url")
			})
			edge.await("the same at /readyz", func() bool {
				_, ready := edge.askAdmin("GET", "/readyz", "", "")
				return strings.Contains(ready, said) && strings.Contains(ready, "the same cluster.redis_url")
			})
			edge.await("the line", func() bool { return strings.Contains(edge.log.String(), said) })
			if tt.heard {
				for _, d := range []*daemonTest{leader, edge} {
					d.await("the numbers", func() bool { return slices.Contains(differing(d), "cluster.redis_url") })
				}
			}
			// A third one that would be started like the edge, without asking the edge itself.
			edge.stop()
			leader.await("that it is alone", func() bool { return leader.Snapshot().Cluster.Nodes == 0 })
			cfg := load(t, []string{
				"DATABASE_URL=" + c.dsn, "BRIDGE_SOURCE_POSTGRES_SLOT=" + strings.ToLower(c.conn.Config().Database),
				"REDIS_URL=" + address, "BRIDGE_CLUSTER_NAME=test",
			})
			var found []string
			for _, f := range check.Run(t.Context(), cfg) {
				if f.ID == "cluster.bridges" || f.ID == "cluster.alike" {
					found = append(found, f.ID+" "+f.Object+" "+f.Level.String())
					if f.Level != provision.OK && f.Fix == "" {
						t.Errorf("no remedy: %+v", f)
					}
				}
			}
			if !slices.Equal(found, []string{tt.check}) {
				t.Errorf("bridge check finds %q, want %q", found, tt.check)
			}
		})
	}
}
