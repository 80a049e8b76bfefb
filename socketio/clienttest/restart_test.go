package clienttest_test

import "testing"

// TestRestart takes the server away while clients are connected, and brings it
// back after the first attempts of the client have failed. The CRM's client
// tries five times.
func TestRestart(t *testing.T) {
	eachKind(t, func(t *testing.T, k kind) {
		s := startServer(t, testOptions())
		c := k.start(t)
		c.connected(s.url(), crm("good", nil))
		s.socket()
		s.down()
		if r := c.await("disconnect"); r.Reason != "transport close" {
			t.Errorf("disconnected by %q, want the transport's close", r.Reason)
		}
		c.await("reconnect_attempt") // refused: no server listens
		c.await("reconnect_attempt")
		s.up()
		c.await("connect")
		s.socket()
		c.emit("1", "subscribe:conversation", "c1")
		c.acked("1", map[string]bool{"ok": true})
		s.broadcast("message", "after the restart", "c1")
		c.received("message", "after the restart")
	})
}
