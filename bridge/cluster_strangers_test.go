package bridge_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"chatbridge/bridge/check"
	"chatbridge/source/postgres/provision"

	"chatbridge/internal/schemas"
	"chatbridge/internal/throwaway"
	"chatbridge/internal/throwaway/pgtest"
	"chatbridge/internal/throwaway/redistest"
)

// strangersOf is another database at the Redis and by the cluster.name of c.
func strangersOf(c *clusterTest, dsn string) *clusterTest {
	other := &clusterTest{t: c.t, redis: c.redis, dsn: dsn}
	other.conn, other.ids = crmDatabase(c.t, dsn, 1)
	return other
}

// lose ends the leader and drops the slot, so that what is committed then is lost to the log.
func (c *clusterTest) lose(leader *daemonTest) {
	c.t.Helper()
	leader.stop()
	if _, err := c.conn.Exec(c.t.Context(), "select pg_drop_replication_slot($1)", strings.ToLower(c.conn.Config().Database)); err != nil {
		c.t.Fatal(err)
	}
	c.insert("lost by the log")
}

// TestClustersOfOneName: on two databases of one server, or of two servers, each keeps to
// its own: rows, gaps and what clients type; and both say that the name is not theirs alone.
func TestClustersOfOneName(t *testing.T) {
	t.Parallel()
	for name, address := range map[string]func(t *testing.T) string{
		"two databases of one server": func(t *testing.T) string { return pgtest.DB(t, schemas.CRM) },
		"two servers": func(t *testing.T) string {
			bin, err := throwaway.Find(t.Context(), "") // made anew: a copy would have the other's history
			if err != nil {
				t.Fatal(err)
			}
			return pgtest.On(t, pgtest.Cluster(t, throwaway.Options{TCP: true, Bin: bin}), schemas.CRM)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ours := newClusterTest(t)
			theirs := strangersOf(ours, address(t))
			type side struct {
				*clusterTest
				leader, edge     *daemonTest
				atLeader, atEdge *crm
			}
			sides := []*side{{clusterTest: ours}, {clusterTest: theirs}}
			for _, s := range sides {
				s.leader = s.start()
				s.leader.ready()
				s.leader.await("that it leads", func() bool { return role(s.leader) == "leader" })
			}
			for _, s := range sides {
				s.edge = s.start("BRIDGE_CLUSTER_ROLE=edge")
				s.edge.ready()
				s.atLeader, s.atEdge = s.leader.client(s.ids[0]), s.edge.client(s.ids[0])
				s.leader.live(1)
				s.edge.live(1)
			}
			for round := range 5 {
				for i, s := range sides {
					s.insert(fmt.Sprintf("%d of side %d", round, i))
				}
			}
			for i, s := range sides {
				s.whole(fmt.Sprintf("side %d, at the leader", i), s.atLeader)
				s.whole(fmt.Sprintf("side %d, at the edge", i), s.atEdge)
			}
			sides[0].atLeader.typesUntil(sides[0].ids[0], func() bool { return sides[0].atEdge.typings(sides[0].ids[0]) > 0 })
			for i, s := range sides {
				for where, client := range map[string]*crm{"leader": s.atLeader, "edge": s.atEdge} {
					got := bodies(client.await("all", func([]event) bool { return true }))
					if len(got) != len(s.sent) {
						t.Errorf("side %d, at the %s: %v, want %q alone", i, where, got, s.sent)
					}
				}
			}
			for i, s := range sides {
				for _, d := range []*daemonTest{s.leader, s.edge} {
					d.await("who has its name", func() bool { return len(d.Snapshot().Cluster.Foreign) == 2 })
					if c := d.Snapshot().Cluster; c.Nodes != 1 || c.Foreign[0].Bridge == "" || len(c.Differing) > 0 {
						t.Errorf("side %d: %+v", i, c)
					}
					if n := strings.Count(d.log.String(), "a bridge of another database has the cluster.name of this one"); n != 2 {
						t.Errorf("side %d: %d lines for 2 bridges", i, n)
					}
				}
			}
			// What nobody of the other side can be given is no gap of ours.
			theirs.lose(sides[1].leader)
			sides[1].leader = theirs.start()
			for _, d := range []*daemonTest{sides[1].leader, sides[1].edge} {
				d.await("the gap", func() bool { return strings.Contains(d.log.String(), "changes were lost") })
			}
			ours.insert("after their gap")
			for _, s := range sides[:1] {
				s.whole("ours, at the leader", s.atLeader)
				s.whole("ours, at the edge", s.atEdge)
				for _, d := range []*daemonTest{s.leader, s.edge} {
					if strings.Contains(d.log.String(), "changes were lost") {
						t.Error("their gap is told here")
					}
				}
			}
			if n := sides[1].atEdge.typings(sides[1].ids[0]) + sides[1].atLeader.typings(sides[1].ids[0]); n > 0 {
				t.Errorf("the other cluster's clients were told %d times who types", n)
			}
		})
	}
}

// TestACopyOfTheServer has the history of the one that it was copied from: that two lead, of
// which servers, is told by both.
func TestACopyOfTheServer(t *testing.T) {
	t.Parallel()
	address := func() string { // both are copies of one directory
		return pgtest.On(t, pgtest.Cluster(t, throwaway.Options{TCP: true}), schemas.CRM)
	}
	ours := &clusterTest{t: t, redis: redistest.Start(t), dsn: address()}
	ours.conn, ours.ids = crmDatabase(t, ours.dsn, 1)
	sides := []*daemonTest{ours.start(), strangersOf(ours, address()).start()}
	for _, d := range sides {
		d.await("which servers two bridges read", func() bool { return slices.Contains(differing(d), "source.postgres.url") })
	}
}

// differing are the settings of which a bridge tells that another one has them otherwise.
func differing(d *daemonTest) (settings []string) {
	for _, at := range d.Snapshot().Cluster.Differing {
		settings = append(settings, at.Setting)
	}
	return settings
}

// TestBridgesThatAreNotAlike: another slot, mapping, window and secret are told by both, by name, and
// by `bridge check`; no secret is. What is alike again is not told any more.
func TestBridgesThatAreNotAlike(t *testing.T) {
	t.Parallel()
	c := newClusterTest(t)
	file := filepath.Join(t.TempDir(), "own.yaml")
	if err := os.WriteFile(file, []byte("message:\n  unknown: unchanged\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	first := c.start()
	first.await("that it leads", func() bool { return role(first) == "leader" })
	alike := c.start()
	alike.ready()
	otherwise := []string{
		"BRIDGE_SOURCE_POSTGRES_SLOT=other_" + strings.ToLower(c.conn.Config().Database), "BRIDGE_MAPPING_FILE=" + file,
		"CHATENGINE_JWT_SECRET=another-secret-of-enough-characters-xx", "BRIDGE_REPLAY_WINDOW=7m",
	}
	other := c.start(otherwise...)
	other.await("that it leads too", func() bool { return role(other) == "leader" })
	want := []string{"auth.chatengine_secret", "mapping", "replay.window", "source.postgres.slot"}
	first.await("what differs", func() bool { return slices.Equal(differing(first), want) })
	other.await("what differs from both", func() bool { return len(differing(other)) == 2*len(want) })
	first.await("that both lead", func() bool { return first.Snapshot().Cluster.Differing[0].BothLead })
	if now := first.Snapshot(); now.Ready.Leader == "" || now.Ready.Leader != now.Cluster.Leader {
		t.Errorf("/readyz of the leader says that %q leads, /status %q", now.Ready.Leader, now.Cluster.Leader)
	}
	for _, at := range first.Snapshot().Cluster.Differing {
		if at.Bridge == "" || at.Here == at.There || !at.BothLead {
			t.Errorf("told: %+v", at)
		}
		if at.Setting == "replay.window" && (at.Here != "1m0s" || at.There != "7m0s") {
			t.Errorf("told: %+v", at)
		}
	}
	_, status := first.askAdmin("GET", "/status", "", "")
	for _, said := range []string{"give all bridges of the cluster the same mapping", "both lead"} {
		if !strings.Contains(status, said) {
			t.Errorf("/status does not say %q", said)
		}
	}
	first.await("the line", func() bool {
		return strings.Count(first.log.String(), "another bridge of the cluster has a setting that differs") == len(want)
	})
	if all := first.log.String() + other.log.String() + status; strings.Contains(all, "another-secret") || strings.Contains(all, secret) {
		t.Error("a secret is told")
	}

	checked := func(env ...string) (ids []string) {
		cfg := load(t, append([]string{
			"DATABASE_URL=" + c.dsn, "BRIDGE_SOURCE_POSTGRES_SLOT=" + strings.ToLower(c.conn.Config().Database),
			"REDIS_URL=" + c.redis.URL(), "BRIDGE_CLUSTER_NAME=test",
		}, env...))
		for _, f := range check.Run(t.Context(), cfg) {
			if strings.HasPrefix(f.ID, "cluster.") && f.ID != "cluster.advertise" || f.ID == "slot.active" && f.Level != provision.OK {
				ids = append(ids, strings.TrimSpace(f.ID+" "+f.Object)+" "+f.Level.String())
				if f.Level != provision.OK && (f.Fix == "" || !strings.Contains(f.What, "/")) {
					t.Errorf("%s has no remedy, or names nobody: %s", f.ID, f.What)
				}
			}
		}
		return ids
	}
	if got := checked("BRIDGE_REPLAY_WINDOW=9m"); !slices.Contains(got, "cluster.alike replay.window warn") || !slices.Contains(got, "cluster.alike mapping warn") {
		t.Errorf("bridge check finds %q", got)
	}
	other.stop()
	first.await("that nothing differs", func() bool { return len(differing(first)) == 0 })
	first.await("the line", func() bool { return strings.Contains(first.log.String(), "what was told of another bridge has ended") })
	if got := checked(); !slices.Equal(got, []string{"cluster.bridges ok"}) {
		t.Errorf("bridge check finds %q of those that are alike", got)
	}
	if got := checked("DATABASE_URL=" + pgtest.DB(t, schemas.CRM)); !slices.Equal(got, []string{"cluster.foreign cluster.name warn", "cluster.foreign cluster.name warn"}) {
		t.Errorf("bridge check finds %q for another database", got)
	}
	if got := checked("BRIDGE_CLUSTER_NAME=orders"); len(got) != 2 || !strings.HasPrefix(got[0], "slot.active") || got[1] != "cluster.bridges ok" {
		t.Errorf("bridge check finds %q for another name", got)
	}
}

// TestTheSlotIsAnotherClusters: the bridge that waits for it says whose it is, and the one that
// reads it says who waits.
func TestTheSlotIsAnotherClusters(t *testing.T) {
	t.Parallel()
	c := newClusterTest(t)
	reads := c.start("BRIDGE_SOURCE_POSTGRES_WATCH_INTERVAL=1s")
	reads.await("that it leads", func() bool { return role(reads) == "leader" })
	waits := c.start("BRIDGE_CLUSTER_NAME=orders", "BRIDGE_SOURCE_POSTGRES_WATCH_INTERVAL=1s")
	waits.await("whose slot it is", func() bool {
		h := waits.Snapshot().Source
		return strings.Contains(h.Reason, "of the cluster test reads the slot") && strings.Contains(h.Reason, "and this one is of the cluster orders") &&
			strings.Contains(h.Remedy, "cluster.name") && len(h.Rivals) == 1
	})
	reads.await("who waits", func() bool {
		r := reads.Snapshot().Source.Rivals
		return len(r) == 1 && strings.HasSuffix(r[0], "of the cluster orders")
	})
}
