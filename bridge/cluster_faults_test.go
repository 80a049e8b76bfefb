package bridge_test

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"chatbridge/bridge/check"
	"chatbridge/bridge/cluster"
	"chatbridge/configs"
	"chatbridge/source/postgres/provision"
)

// TestARedisFaultIsToldEverywhere: the leader and an edge say the same of what Redis refuses,
// with the same remedy in the log, /status and /readyz on the admin listener, and nothing of
// it on the public one.
func TestARedisFaultIsToldEverywhere(t *testing.T) {
	t.Parallel()
	c := newClusterTest(t)
	admin := c.redis.Client()
	args := []any{"acl", "setuser", "bridge", "on", ">pw"}
	for _, r := range strings.Fields(cluster.Rights) {
		args = append(args, r)
	}
	if err := admin.Do(t.Context(), args...).Err(); err != nil {
		t.Fatal(err)
	}
	url := "REDIS_URL=redis://bridge:pw@" + c.redis.Addr
	first := c.start(url)
	first.await("that it leads", func() bool { return role(first) == "leader" && first.Snapshot().Cluster.Connected })
	second := c.start(url, "BRIDGE_CLUSTER_ROLE=edge")
	second.ready()
	if err := admin.Do(t.Context(), "acl", "setuser", "bridge", "-xrevrange").Err(); err != nil {
		t.Fatal(err)
	}
	// The edge has nothing to do with the beats of before; it connects anew.
	const remedy = "ACL SETUSER bridge +xrevrange; "
	for name, d := range map[string]*daemonTest{"leader": first, "edge": second} {
		d.await("the fault, at the "+name, func() bool {
			n := d.Snapshot().Cluster
			return !n.Connected && strings.Contains(n.Error, "the user bridge may not run XREVRANGE") && strings.HasPrefix(n.Remedy, remedy)
		})
		_, body := d.getAdmin("/readyz", "")
		var ready struct {
			Source  struct{ Remedy string }
			Cluster struct{ Reason, Remedy string }
		}
		if err := json.Unmarshal([]byte(body), &ready); err != nil || !strings.HasPrefix(ready.Cluster.Remedy, remedy) || !strings.Contains(ready.Cluster.Reason, "XREVRANGE") {
			t.Errorf("/readyz of the %s on the admin listener: %s", name, body)
		}
		if name == "edge" && !strings.HasPrefix(ready.Source.Remedy, remedy) {
			t.Errorf("/readyz of the edge on the admin listener: %s", body)
		}
		if _, body := d.getAdmin("/status", ""); !strings.Contains(body, `"remedy": "`+remedy) {
			t.Errorf("/status of the %s: %s", name, body)
		}
		if _, body := d.get("/readyz"); strings.Contains(body, "ACL") || strings.Contains(body, "XREVRANGE") {
			t.Errorf("/readyz of the %s on the public listener: %s", name, body)
		}
		if !bytes.Contains([]byte(d.log.String()), []byte(remedy)) {
			t.Errorf("the log of the %s says no remedy", name)
		}
	}
	if err := admin.Do(t.Context(), "acl", "setuser", "bridge", "+xrevrange").Err(); err != nil {
		t.Fatal(err)
	}
	second.await("that it hears the leader", func() bool { n := second.Snapshot().Cluster; return n.Connected && n.Error == "" && n.Remedy == "" })
}

// TestTheCheckAsksTheBridges of the cluster at the addresses that they tell: one that leads
// to another bridge or to nobody is found, by the check of any.
func TestTheCheckAsksTheBridges(t *testing.T) {
	t.Parallel()
	c := newClusterTest(t)
	found := func() (warned []string, ok string) {
		t.Helper()
		cfg, err := configs.Load(configs.Sources{Env: []string{"BRIDGE_CLUSTER_REDIS_URL=" + c.redis.URL(), "BRIDGE_CLUSTER_NAME=test", "BRIDGE_CLUSTER_ADVERTISE=http://localhost:1"}})
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range check.Run(t.Context(), cfg) {
			if f.ID == "cluster.advertise" && f.Level == provision.Warn {
				warned = append(warned, f.Object)
			} else if f.ID == "cluster.advertise" && f.Object == "" {
				ok = f.What
			}
		}
		return warned, ok
	}
	first := c.start()
	first.ready()
	await := func(bridges int) {
		t.Helper()
		first.await("the others", func() bool { return first.Snapshot().Cluster.Nodes == bridges-1 })
	}
	second := c.start()
	await(2)
	if warned, ok := found(); len(warned) > 0 || ok != "2 bridges of the cluster answer, each where it says" {
		t.Errorf("of two that are where they say: %q, %q", warned, ok)
	}
	const nobody = "http://127.0.0.1:9"
	c.start("BRIDGE_CLUSTER_ADVERTISE=" + nobody)
	c.start("BRIDGE_CLUSTER_ADVERTISE=" + second.url)
	await(4)
	warned, ok := found()
	slices.Sort(warned)
	want := []string{nobody, second.url}
	slices.Sort(want)
	if !slices.Equal(warned, want) || ok != "2 bridges of the cluster answer, each where it says" {
		t.Errorf("%q, want %q; %q", warned, want, ok)
	}
}
