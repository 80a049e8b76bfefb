package bridge_test

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"chatbridge/bridge/cluster"
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
