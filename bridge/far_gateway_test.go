package bridge_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"chatbridge/bridge/gateway"
	"chatbridge/internal/chatengine"
	"chatbridge/internal/schemas"
	"chatbridge/internal/throwaway/pgtest"
	"chatbridge/mapping/contract"
)

// TestBackFromChatEngine: a client that was connected to ChatEngine, whose events have no
// offset, is cut and comes back after more than the log holds: to the bridge, while
// ChatEngine is down, and to ChatEngine. It is caught up since it was cut.
func TestBackFromChatEngine(t *testing.T) {
	t.Parallel()
	dsn := pgtest.DB(t, schemas.CRM)
	conn, ids := crmDatabase(t, dsn, 2)
	w := &awayTest{t: t, conn: conn, ids: ids, dsn: dsn}
	engine := chatengine.New(t, chatengine.Options{Form: chatengine.Agreeing, DatabaseURL: dsn, Secret: secret})
	d := startDaemon(t, dsn, "CHATENGINE_URL="+engine.URL().String(), "BRIDGE_REPLAY_WINDOW=0s", "BRIDGE_REPLAY_MAX_EVENTS=10",
		"BRIDGE_GATEWAY_INTERVAL=50ms", "BRIDGE_GATEWAY_RECOVER_AFTER=100ms")
	d.ready()
	state := func(want gateway.State) {
		t.Helper()
		d.await("the gateway to be "+want.String(), func() bool { return d.Snapshot().Gateway.Status.State == want })
	}
	state(gateway.Upstream)
	published := uint64(0)
	for _, to := range []gateway.State{gateway.Local, gateway.Upstream} {
		w.left = d.client(ids[0])
		if !strings.HasPrefix(w.left.pid, "_.") {
			t.Fatalf("it is not at ChatEngine: %s", w.left.pid)
		}
		w.left.leave()
		if to == gateway.Local {
			engine.Kill()
			state(gateway.Local)
		}
		var bodiesMissed []string
		for i := range missed {
			body := fmt.Sprintf("%v %d", to, i)
			bodiesMissed = append(bodiesMissed, body)
			w.exec(insertMessage, workspace, ids[0], body)
		}
		published += missed
		d.await("all to be published", func() bool { return d.Snapshot().Hub.Published[contract.Message] == published })
		c := d.clientWith(map[string]any{"token": token(t, workspace), "pid": w.left.pid}, ids[0])
		events := c.await("what it missed", func(events []event) bool {
			got := bodies(events)
			return !slices.ContainsFunc(bodiesMissed, func(b string) bool { return !got[b] })
		})
		if slices.ContainsFunc(events, func(e event) bool { return e.Name == "gap" }) {
			t.Errorf("%v: told of a gap", to)
		}
		c.leave()
		if to == gateway.Local {
			if err := engine.Restore(t.Context()); err != nil {
				t.Fatal(err)
			}
			state(gateway.Upstream)
		}
	}
	// A page that never was there is not caught up on any of it.
	c := d.clientWith(map[string]any{"token": token(t, workspace)}, ids[0])
	w.exec(insertMessage, workspace, ids[0], "live")
	events := c.await("an event", func(events []event) bool { return len(events) > 0 })
	if n := len(bodies(events)); n > 11 {
		t.Errorf("a new page got %d messages", n)
	}
	if s := d.Snapshot(); s.Hub.FarPackets < 2*missed || s.Hub.FarFailed != 0 {
		t.Errorf("%d packets came from the tables, failed %d times", s.Hub.FarPackets, s.Hub.FarFailed)
	}
}
