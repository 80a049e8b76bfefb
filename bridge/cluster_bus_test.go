package bridge_test

import (
	"maps"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"chatbridge/internal/functiondouble"
	"chatbridge/internal/throwaway/redistest"
)

// types makes a client say that it types in a conversation, over and over, until ok.
func (c *crm) typesUntil(conversation string, ok func() bool) {
	c.t.Helper()
	for deadline := time.Now().Add(30 * time.Second); !ok(); time.Sleep(20 * time.Millisecond) { // such notices may be lost
		if time.Now().After(deadline) {
			c.t.Fatal("the typing notice did not come")
		}
		_ = c.Emit("typing", map[string]any{"conversationId": conversation, "isTyping": true})
	}
}

func (c *crm) typings(conversation string) (n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, e := range c.events {
		if e.Name == "typing" && e.Payload["conversationId"] == conversation {
			n++
		}
	}
	return n
}

// TestTypingReachesTheClientsOfAllBridges of the same workspace, and no others; also after
// Redis was away.
func TestTypingReachesTheClientsOfAllBridges(t *testing.T) {
	t.Parallel()
	c := newClusterTest(t)
	first := c.start()
	first.ready()
	second := c.start()
	second.ready()
	here, there := first.client(c.ids[0]), second.client(c.ids[0])
	foreign := second.clientOf("5a1e0000-0000-4000-8000-00000000000f")
	here.typesUntil(c.ids[0], func() bool { return there.typings(c.ids[0]) > 0 })
	there.typesUntil(c.ids[0], func() bool { return here.typings(c.ids[0]) > 1 })
	c.redis.Kill()
	before := there.typings(c.ids[0])
	c.redis.Run()
	here.typesUntil(c.ids[0], func() bool { return there.typings(c.ids[0]) > before })
	if n := foreign.typings(c.ids[0]); n > 0 {
		t.Errorf("a client of another workspace was told %d times", n)
	}
	here.typesUntil("c0000000-0000-4000-8000-00000000dead", func() bool { return second.Snapshot().Cluster.NoticesReceived > 0 })
	if n := there.typings("c0000000-0000-4000-8000-00000000dead"); n > 0 {
		t.Error("a conversation that the workspace does not have was told of")
	}
}

// TestAMemberThatOneBridgeFoundGoneIsClosedByAll, also where the others would ask only
// an hour later.
func TestAMemberThatOneBridgeFoundGoneIsClosedByAll(t *testing.T) {
	t.Parallel()
	dsn, conn := membersDatabase(t, "create publication bridge for table messages, conversations")
	run(t, conn, "select pg_create_logical_replication_slot(current_database(), 'pgoutput')")
	c := &clusterTest{t: t, redis: redistest.Start(t), dsn: dsn, conn: conn}
	settings := func(ttl string) []string {
		return []string{"SUPABASE_JWT_SECRET=" + projectSecret, "BRIDGE_SOURCE_POSTGRES_CREATE=never", "BRIDGE_AUTH_MEMBERS_CACHE_TTL=" + ttl}
	}
	first := c.start(settings("1s")...)
	first.ready()
	second := c.start(settings("1h")...)
	second.ready()
	asks, told := first.member(ana, workspace), second.member(ana, workspace)
	stays := second.member(ben, workspace)
	run(t, conn, "delete from workspace_members where user_id = $1", ana)
	asks.refused(t, time.Now())
	told.refused(t, time.Now())
	stays.stays(t)
}

// TestAnOrderIsObeyedByAllBridges, also by one that starts later; the latest counts.
func TestAnOrderIsObeyedByAllBridges(t *testing.T) {
	t.Parallel()
	c := newClusterTest(t)
	const upstream = "BRIDGE_GATEWAY_UPSTREAM=http://127.0.0.1:1"
	mode := func(d *daemonTest) string { return string(d.Snapshot().Gateway.Status.Mode) }
	order := func(d *daemonTest, mode string) {
		t.Helper()
		if code, answer := d.askAdmin("POST", "/gateway", "", `{"mode":"`+mode+`"}`); code != 200 {
			t.Fatalf("%d %s", code, answer)
		}
	}
	first, second := c.start(upstream), c.start(upstream)
	order(first, "hold-local")
	second.await("the order", func() bool { return mode(second) == "hold-local" })
	third := c.start(upstream)
	third.await("the order", func() bool { return mode(third) == "hold-local" })
	order(third, "hold-upstream")
	order(second, "auto")
	for _, d := range []*daemonTest{first, second, third} {
		d.await("the latest order", func() bool { return mode(d) == "auto" })
	}
}

// TestARowTellsAnEdgeWhatBecameOfAText that was sent through it: the leader reads the row.
func TestARowTellsAnEdgeWhatBecameOfAText(t *testing.T) {
	t.Parallel()
	dsn, conn := membersDatabase(t)
	function := functiondouble.Start(t, functiondouble.Options{DatabaseURL: dsn, Choose: func(functiondouble.Call) functiondouble.Way { return functiondouble.RowHangs }})
	c := &clusterTest{t: t, redis: redistest.Start(t), dsn: dsn, conn: conn, ids: []string{"c0000000-0000-4000-8000-000000000000"}}
	first := c.start()
	first.ready()
	first.await("that it leads", func() bool { return role(first) == "leader" })
	edge := c.start("SUPABASE_JWT_SECRET="+projectSecret, "SUPABASE_ANON_KEY=sb_publishable_x", "BRIDGE_SEND_MODE=function",
		"BRIDGE_SEND_FUNCTION_URL="+function.URL, "BRIDGE_SEND_STATE_FILE="+filepath.Join(t.TempDir(), "sends"), "BRIDGE_SEND_TIMEOUT=3s")
	edge.ready()
	client := edge.clientWith(map[string]any{"token": memberToken(t, ana), "workspaceId": workspace}, c.ids[0])
	edge.live(1)
	client.sends(c.ids[0], "opt_1")
	edge.await("what became of it", func() bool { s := edge.Snapshot().Send; return s.InFlight == 0 && s.Begun > 0 })
	if r := edge.Snapshot().Send.Results; r["sent"] != 1 || len(r) != 1 {
		t.Errorf("its row was stored, and of it was told: %v", r)
	}
}

// TestATextIsSentByOneBridge of a cluster, whatever became of it at the first: the second knows
// of it by its row, or by the claim of the first.
func TestATextIsSentByOneBridge(t *testing.T) {
	t.Parallel()
	dsn, conn := membersDatabase(t)
	ways := map[string]functiondouble.Way{"opt_lost": functiondouble.Closes}
	function := functiondouble.Start(t, functiondouble.Options{DatabaseURL: dsn, Choose: func(c functiondouble.Call) functiondouble.Way { return ways[c.Body["clientMessageId"]] }})
	c := &clusterTest{t: t, redis: redistest.Start(t), dsn: dsn, conn: conn, ids: []string{"c0000000-0000-4000-8000-000000000000"}}
	start := func() *daemonTest {
		d := c.start("SUPABASE_JWT_SECRET="+projectSecret, "SUPABASE_ANON_KEY=sb_publishable_x", "BRIDGE_SEND_MODE=function",
			"BRIDGE_SEND_FUNCTION_URL="+function.URL, "BRIDGE_SEND_STATE_FILE="+filepath.Join(t.TempDir(), "sends"), "BRIDGE_SEND_TIMEOUT=1s")
		d.ready()
		return d
	}
	first := start()
	first.await("that it leads", func() bool { return role(first) == "leader" })
	edge := start()
	for _, from := range []struct {
		bridge *daemonTest
		want   map[string]uint64
	}{
		{first, map[string]uint64{"sent": 1, "outcome_unknown": 1}},
		{edge, map[string]uint64{"again": 1, "outcome_unknown": 1}},
	} {
		client := from.bridge.clientWith(map[string]any{"token": memberToken(t, ana), "workspaceId": workspace}, c.ids[0])
		from.bridge.live(1)
		for i, id := range []string{"opt_stored", "opt_lost"} {
			client.sends(c.ids[0], id)
			from.bridge.await("what became of it", func() bool {
				n := uint64(0)
				for _, count := range from.bridge.Snapshot().Send.Results {
					n += count
				}
				return n == uint64(i+1)
			})
		}
		client.await("its row", func(events []event) bool {
			return slices.ContainsFunc(events, func(e event) bool { return e.Name == "messageStatus" && e.Payload["status"] == "sent" })
		})
		if got := from.bridge.Snapshot().Send.Results; !maps.Equal(got, from.want) {
			t.Errorf("told %v, want %v", got, from.want)
		}
	}
	for _, id := range []string{"opt_stored", "opt_lost"} {
		if n := len(function.Of(id)); n != 1 {
			t.Errorf("%s went to the function %d times", id, n)
		}
	}
}
