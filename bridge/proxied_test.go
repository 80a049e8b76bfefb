package bridge_test

import (
	"encoding/json"
	"testing"
)

// TestProxiedClientsAreCounted: who is connected to ChatEngine through the bridge is in
// /status, which counts the bridge's own clients apart.
func TestProxiedClientsAreCounted(t *testing.T) {
	t.Parallel()
	d := (&alertScene{t: t}).inFront(newStandIn(t))
	type status struct {
		Clients        struct{ Connected int }
		GatewayProxied struct{ Websocket, PollingRequests int }
	}
	read := func() (s status) {
		t.Helper()
		if err := json.Unmarshal([]byte(d.admin("/status")), &s); err != nil {
			t.Fatal(err)
		}
		return s
	}
	clients := []*crm{d.client(), d.client()}
	if s := read(); s.GatewayProxied.Websocket != 2 || s.Clients.Connected != 0 {
		t.Errorf("two clients are counted as %+v", s)
	}
	for _, c := range clients {
		c.leave()
	}
	d.await("them to be gone", func() bool { return read().GatewayProxied.Websocket == 0 })
}
