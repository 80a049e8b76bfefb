package gateway_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"chatbridge/bridge/gateway"
	"chatbridge/internal/chatengine"
	"chatbridge/internal/failover"
)

const clientsN = 20

// wantFine ends the test where a client has been stopped for good.
func wantFine(t *testing.T, c *failover.Clients) {
	t.Helper()
	if s := c.Summary(); len(s.Failures) > 0 {
		t.Fatalf("clients stopped for good: %v", s.Failures)
	}
}

// awaitOn waits until all clients are connected, proxied of them to ChatEngine.
func awaitOn(t *testing.T, g setup, c *failover.Clients, n, proxied int) {
	t.Helper()
	awaitFor(t, "all clients connected where they should be", func() bool {
		return c.Summary().Connected == n && g.Stats().Websockets == int64(proxied)
	})
}

// TestHandOverAndBack kills ChatEngine under real clients and restores it.
func TestHandOverAndBack(t *testing.T) {
	t.Parallel()
	engine, standby := chatengine.New(t, chatengine.Options{}), newLocal(t)
	o := standby.serve(fast(engine.URL().String()))
	o.CatchUp = 0 // the standby replays nothing; catchup_test.go and the failover scenarios are about it
	o.Batch = 5
	g := run(t, o)
	c := failover.StartClients(t, failover.ClientsOptions{URL: g.url, Clients: clients(t, engine, clientsN)})
	awaitOn(t, g, c, clientsN, clientsN)

	engine.Kill()
	g.await(t, "served locally", func(s gateway.Status) bool { return s.State == gateway.Local })
	awaitOn(t, g, c, clientsN, 0)
	if n := standby.link.Len(); n < clientsN {
		t.Fatalf("%d connections at the standby, want %d", n, clientsN)
	}
	wantFine(t, c)

	if err := engine.Restore(t.Context()); err != nil {
		t.Fatal(err)
	}
	g.await(t, "handed back", func(s gateway.Status) bool { return s.State == gateway.Upstream })
	awaitOn(t, g, c, clientsN, clientsN)
	wantFine(t, c)
	s := g.Stats()
	if s.HandedBack < clientsN || s.Switches["local"] != 1 || s.Switches["handing-back"] != 1 {
		t.Fatalf("stats %+v", s)
	}
}

// TestFirstRequestAfterTheDeathIsServed opens a session in the moment between
// ChatEngine's death and the first failed probe.
func TestFirstRequestAfterTheDeathIsServed(t *testing.T) {
	t.Parallel()
	engine, standby := chatengine.New(t, chatengine.Options{}), newLocal(t)
	for _, transport := range []string{"websocket", "polling"} {
		o := standby.serve(fast(engine.URL().String()))
		o.Interval = time.Hour // only the passive detection
		o.CatchUp = 0
		g := run(t, o)
		g.await(t, "first probe", func(s gateway.Status) bool { return s.Healthy })
		engine.Kill()
		c := failover.StartClients(t, failover.ClientsOptions{
			URL: g.url, Clients: clients(t, engine, 1), Transports: []string{transport},
		})
		if s := c.Summary(); s.Errors > 0 || s.Connected != 1 {
			t.Fatalf("%s: the first attempt failed: %v", transport, s)
		}
		g.await(t, "the state follows", func(s gateway.Status) bool { return s.State == gateway.Local })
		if err := engine.Restore(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
}

// TestFrozenChatEngine is one that hangs: its connections stay open and say
// nothing, so the gateway has to close them.
func TestFrozenChatEngine(t *testing.T) {
	t.Parallel()
	engine, standby := chatengine.New(t, chatengine.Options{}), newLocal(t)
	o := standby.serve(impatient(fast(engine.URL().String())))
	o.CatchUp = 0
	g := run(t, o)
	c := failover.StartClients(t, failover.ClientsOptions{URL: g.url, Clients: clients(t, engine, clientsN)})
	// Before, too: on a busy machine ChatEngine may have seemed to hang already.
	before := g.Stats().HandedOver
	awaitOn(t, g, c, clientsN, clientsN)
	if err := engine.Freeze(); err != nil {
		t.Fatal(err)
	}
	g.await(t, "served locally", func(s gateway.Status) bool { return s.State == gateway.Local })
	awaitOn(t, g, c, clientsN, 0)
	if n := g.Stats().HandedOver - before; n < clientsN {
		t.Fatalf("%d handed over, want %d", n, clientsN)
	}
	if err := engine.Thaw(); err != nil {
		t.Fatal(err)
	}
	awaitOn(t, g, c, clientsN, clientsN)
	wantFine(t, c)
}

// TestHoldModes moves clients at the operator's order, through the admin
// listener.
func TestHoldModes(t *testing.T) {
	t.Parallel()
	engine, standby := chatengine.New(t, chatengine.Options{}), newLocal(t)
	o := standby.serve(fast(engine.URL().String()))
	o.CatchUp, o.Batch = 0, 5
	g := run(t, o)
	mux := http.NewServeMux()
	mux.Handle(gateway.AdminPath, g.Admin())
	admin := httptest.NewServer(mux)
	defer admin.Close()
	ask := func(mode gateway.Mode) gateway.Status {
		t.Helper()
		s, err := gateway.Ask(t.Context(), admin.Client(), admin.URL, mode)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	c := failover.StartClients(t, failover.ClientsOptions{URL: g.url, Clients: clients(t, engine, clientsN)})
	if s := ask(""); s.State != gateway.Upstream || s.Mode != gateway.Auto {
		t.Fatalf("status %+v", s)
	}
	if s := ask(gateway.HoldLocal); s.State != gateway.Local || s.Mode != gateway.HoldLocal {
		t.Fatalf("status %+v", s)
	}
	awaitOn(t, g, c, clientsN, 0)
	ask(gateway.HoldUpstream)
	awaitOn(t, g, c, clientsN, clientsN)
	engine.Kill() // held: nothing is served locally
	g.await(t, "failed probes", func(s gateway.Status) bool { return !s.Healthy })
	if s := ask(""); s.State != gateway.Upstream {
		t.Fatalf("status %+v", s)
	}
	resp, err := admin.Client().Get(g.url + "/api/ws/?EIO=4&transport=polling")
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusBadGateway {
		t.Fatalf("status %d for a new session", resp.StatusCode)
	}
	ask(gateway.Auto)
	awaitOn(t, g, c, clientsN, 0)
	wantFine(t, c)

	if _, err := gateway.Ask(t.Context(), admin.Client(), admin.URL, "sideways"); err == nil || !strings.Contains(err.Error(), "hold-local") {
		t.Fatalf("an unknown mode: %v", err)
	}
	if _, err := gateway.Ask(t.Context(), admin.Client(), admin.URL+"/nothing", ""); err == nil || !strings.Contains(err.Error(), "gateway.upstream") {
		t.Fatalf("no gateway: %v", err)
	}
	cross, _ := http.NewRequestWithContext(t.Context(), http.MethodPost, admin.URL+gateway.AdminPath, strings.NewReader(`{"mode":"hold-local"}`))
	cross.Header.Set("Origin", "https://evil.example")
	resp, err = admin.Client().Do(cross)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusForbidden {
		t.Fatalf("a page of another origin: status %d", resp.StatusCode)
	}
}

// TestPollingStaysWhereItWasOpened: a poll goes to the issuer of its sid,
// whatever the state is by then.
func TestPollingStaysWhereItWasOpened(t *testing.T) {
	t.Parallel()
	engine, standby := chatengine.New(t, chatengine.Options{PingInterval: 100 * time.Millisecond}), newLocal(t)
	o := standby.serve(fast(engine.URL().String()))
	o.CatchUp, o.HealthyFor = 0, time.Hour // nobody is handed back
	g := run(t, o)
	start := func() *failover.Clients {
		return failover.StartClients(t, failover.ClientsOptions{
			URL: g.url, Clients: clients(t, engine, 2), Transports: []string{"polling"},
		})
	}
	atEngine := start()
	if g.Stats().Polled == 0 {
		t.Fatal("no poll was proxied")
	}
	// A dropped upgrade from polling to websocket would show as a reconnect.
	upgrading := failover.StartClients(t, failover.ClientsOptions{
		URL: g.url, Clients: clients(t, engine, 2), Transports: []string{"polling", "websocket"},
	})
	awaitFor(t, "upgraded", func() bool { return g.Stats().Upgraded == 2 })

	engine.Kill()
	g.await(t, "served locally", func(s gateway.Status) bool { return s.State == gateway.Local })
	awaitFor(t, "clients of the dead sessions came back", func() bool { return atEngine.Summary().Connects == 4 })
	awaitFor(t, "upgraded ones too", func() bool { return upgrading.Summary().Connects == 4 })
	wantFine(t, atEngine)
	wantFine(t, upgrading)
	// Now held upstream with ChatEngine alive: the bridge's sessions go on until
	// they are shed.
	if err := engine.Restore(t.Context()); err != nil {
		t.Fatal(err)
	}
	before := atEngine.Summary().Disconnect
	polls := g.Stats().Polled
	g.await(t, "healthy", func(s gateway.Status) bool { return s.Healthy })
	if s := atEngine.Summary(); s.Disconnect != before || g.Stats().Polled != polls {
		t.Fatalf("local sessions were disturbed: %v", s)
	}
}

func TestShutdownClosesInBatches(t *testing.T) {
	t.Parallel()
	engine := chatengine.New(t, chatengine.Options{})
	o := fast(engine.URL().String())
	o.CatchUp = 0
	g := run(t, o)
	c := failover.StartClients(t, failover.ClientsOptions{URL: g.url, Clients: clients(t, engine, 4)})
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if err := g.Shutdown(ctx, 2, time.Millisecond); err != nil {
		t.Fatal(err)
	}
	if n := g.Stats().Websockets; n != 0 {
		t.Fatalf("%d websockets left", n)
	}
	awaitFor(t, "clients saw their transports close", func() bool { return c.Summary().Disconnect == 4 })
	wantFine(t, c)
}

func TestOptionsNameWhatIsWrong(t *testing.T) {
	_, err := gateway.New(gateway.Options{Path: "api/ws/"})
	if err == nil {
		t.Fatal("accepted nothing")
	}
	for _, word := range []string{"upstream", "path", "local", "interval", "fail after", "batch"} {
		if !strings.Contains(err.Error(), word) {
			t.Errorf("the error does not name %q: %v", word, err)
		}
	}
}
