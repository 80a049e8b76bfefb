package failover_test

import (
	"net/url"
	"testing"
	"time"

	"chatbridge/internal/chatengine"
	"chatbridge/internal/failover"
)

// TestNetworkDropped: between the bridge and Postgres packets are dropped, so that
// neither side gets an error, for longer than the bridge waits.
func TestNetworkDropped(t *testing.T) {
	eachForm(t, agreeing, networkDropped)
}

func networkDropped(t *testing.T, form chatengine.Form) {
	w := newWorld(t, form)
	w.prompt += w.size.drop
	direct, err := url.Parse(w.database)
	if err != nil {
		t.Fatal(err)
	}
	link := failover.NewLink(t, direct.Host)
	through := *direct
	through.Host = link.Addr()
	bridge := w.bridge(through.String(), map[string]string{
		"source.postgres.ping_interval": "1s", "source.postgres.connect_timeout": "2s",
	})
	writer, clients := w.writer(""), w.clients(bridge.URL())
	writer.Start("r00")
	time.Sleep(2 * time.Second)
	link.Stall()
	time.Sleep(w.size.drop)
	link.Resume()
	time.Sleep(2 * time.Second)
	bridge.AwaitReady()
	w.finish("network to Postgres dropping packets for "+w.size.drop.String(), alone, 1, writer, clients, "r00")
}
