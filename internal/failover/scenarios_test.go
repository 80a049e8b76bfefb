package failover_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"testing"
	"time"

	"chatbridge/bridge/gateway"
	"chatbridge/internal/chatengine"
	"chatbridge/internal/failover"
)

// pause is a random moment between failures.
func pause(from, to time.Duration) { time.Sleep(from + rand.N(to-from)) }

// bridge starts one that reads from the database.
func (w *world) bridge(database string, settings map[string]string) *failover.Bridge {
	w.t.Helper()
	return failover.NewBridge(w.t, failover.BridgeOptions{Form: w.form, DatabaseURL: database, Secret: secret, Settings: settings})
}

// gatewaySettings put the bridge in front of ChatEngine, with a quick hand-over
// and hand-back.
func gatewaySettings(engine *chatengine.Server) map[string]string {
	return map[string]string{
		"gateway.upstream": engine.URL().String(), "gateway.recover_after": "500ms",
		"gateway.interval": "200ms", "gateway.handback_interval": "300ms", "gateway.handback_batch": "10",
	}
}

// finish settles a round, checks that it is clean, and adds it to the report.
func (w *world) finish(name, way string, failures int, writer *failover.Writer, clients *failover.Clients, round string) {
	w.t.Helper()
	v := w.settle(writer, clients, round)
	s := clients.Summary()
	j := w.judge(clients, way)
	if w.form == chatengine.Real {
		name += ", WhatsApp's ids"
	}
	reported.add(row{Scenario: name, Way: way, Failures: failures, Clients: w.size.clients, Summary: s, Verdict: v, Judgement: j})
	w.t.Logf("%s, %s: %v; %v; %v", name, way, v, s, j)
	if !v.Clean() {
		w.t.Error(v)
	}
	// In front, a client may come from ChatEngine with an offset of long ago. A
	// bridge that was killed meanwhile cannot know that ChatEngine had served it,
	// and reports a gap that is none (docs/failover.md). That nothing is missing is
	// checked above.
	if !j.Clean() && (way != inFront || len(j.Found) > 0) {
		w.t.Error(j)
	}
	if len(s.Failures) > 0 || s.Foreign > 0 {
		w.t.Errorf("clients stopped for good: %v; events of another workspace: %d", s.Failures, s.Foreign)
	}
}

// TestChatEngineKilledInFront: the bridge is the gateway, ChatEngine dies and
// comes back at random moments.
func TestChatEngineKilledInFront(t *testing.T) {
	eachForm(t, both, chatEngineKilledInFront)
}

func chatEngineKilledInFront(t *testing.T, form chatengine.Form) {
	w := newWorld(t, form)
	engine := w.engine()
	bridge := w.bridge(w.database, gatewaySettings(engine))
	writer, clients := w.writer(engine.URL().String()), w.clients(bridge.URL())
	writer.Start("r00")
	for i := range w.size.rounds {
		pause(time.Second, 3*time.Second)
		engine.Kill()
		pause(100*time.Millisecond, 4*time.Second)
		w.restore(engine)
		// Every other time all clients are back at ChatEngine when it dies;
		// otherwise some are at the bridge, some reconnecting.
		if i%2 == 0 {
			w.handedBack(bridge)
		} else {
			pause(0, 4*time.Second)
		}
	}
	t.Log(bridge.Metrics("bridge_gateway_"))
	w.finish("ChatEngine killed and restored", inFront, w.size.rounds, writer, clients, "r00")
}

// handedBack waits until ChatEngine serves all clients again.
func (w *world) handedBack(bridge *failover.Bridge) {
	w.t.Helper()
	deadline := time.Now().Add(60 * time.Second)
	for {
		s, err := gateway.Ask(w.t.Context(), http.DefaultClient, bridge.AdminURL(), "")
		if err == nil && s.State == gateway.Upstream {
			return
		}
		if time.Now().After(deadline) {
			w.t.Fatalf("the clients are not handed back: %+v, %v", s, err)
		}
		time.Sleep(50 * time.Millisecond)
	}
}

func (w *world) restore(engine *chatengine.Server) {
	w.t.Helper()
	if err := engine.Restore(context.WithoutCancel(w.t.Context())); err != nil {
		w.t.Fatal(err)
	}
}

// TestChatEngineKilledBeside: a load balancer has the bridge as its backup.
// Each round begins with freshly loaded pages at a living ChatEngine, because
// clients stay with the bridge once they are there.
func TestChatEngineKilledBeside(t *testing.T) {
	short := map[string][]chatengine.Form{"nginx": agreeing, "haproxy": realOnly, "caddy": agreeing}
	for _, kind := range failover.Kinds() {
		t.Run(kind, func(t *testing.T) {
			eachForm(t, short[kind], func(t *testing.T, form chatengine.Form) { chatEngineKilledBeside(t, form, kind) })
		})
	}
}

func chatEngineKilledBeside(t *testing.T, form chatengine.Form, kind string) {
	w := newWorld(t, form)
	engine := w.engine()
	bridge := w.bridge(w.database, nil)
	toBridge := failover.NewLink(t, bridge.Addr())
	proxy := failover.StartProxy(t, kind, engine.Addr(), toBridge.Addr())
	writer, clients := w.writer(engine.URL().String()), w.clients(proxy.URL)
	rounds := 1
	if full() {
		rounds = w.size.rounds
	}
	for i := range rounds {
		round := fmt.Sprintf("r%02d", i)
		if i > 0 {
			w.atEngine(toBridge, clients)
		}
		writer.Start(round)
		pause(500*time.Millisecond, 1500*time.Millisecond)
		engine.Kill()
		pause(2*time.Second, 4*time.Second)
		w.restore(engine)
		pause(time.Second, 2*time.Second)
		w.finish("ChatEngine killed and restored", kind, 1, writer, clients, round)
	}
}

// atEngine loads the pages anew until all clients are at ChatEngine.
func (w *world) atEngine(toBridge *failover.Link, clients *failover.Clients) {
	w.t.Helper()
	deadline := time.Now().Add(60 * time.Second)
	for {
		clients.Forget("")
		if toBridge.Len() <= 2 { // health checks
			return
		}
		if time.Now().After(deadline) {
			w.t.Fatal("the clients do not come back to ChatEngine")
		}
		time.Sleep(2 * time.Second)
	}
}

// killBridge kills the bridge at a random moment and starts it again a little
// later. The clients' five attempts last for eight seconds at the least, so all
// must be back before the next time.
func (w *world) killBridge(bridge *failover.Bridge, clients *failover.Clients) {
	w.t.Helper()
	pause(500*time.Millisecond, 4*time.Second)
	bridge.Kill()
	pause(100*time.Millisecond, 2*time.Second)
	bridge.Start()
	bridge.AwaitReady()
	awaitConnects(w.t, clients, w.size.clients)
}

// TestBridgeKilled: the bridge alone, killed and started again.
func TestBridgeKilled(t *testing.T) {
	eachForm(t, realOnly, bridgeKilled)
}

func bridgeKilled(t *testing.T, form chatengine.Form) {
	w := newWorld(t, form)
	bridge := w.bridge(w.database, nil)
	writer, clients := w.writer(""), w.clients(bridge.URL())
	writer.Start("r00")
	for range w.size.rounds {
		w.killBridge(bridge, clients)
	}
	w.finish("bridge killed (kill -9)", alone, w.size.rounds, writer, clients, "r00")
}

// TestBridgeKilledInFront: the gateway dies, and with it every connection,
// while ChatEngine lives.
func TestBridgeKilledInFront(t *testing.T) {
	eachForm(t, realOnly, bridgeKilledInFront)
}

func bridgeKilledInFront(t *testing.T, form chatengine.Form) {
	w := newWorld(t, form)
	engine := w.engine()
	bridge := w.bridge(w.database, map[string]string{"gateway.upstream": engine.URL().String()})
	writer, clients := w.writer(engine.URL().String()), w.clients(bridge.URL())
	writer.Start("r00")
	for range w.size.rounds {
		w.killBridge(bridge, clients)
	}
	t.Log(bridge.Metrics("bridge_gateway_"))
	w.finish("bridge killed (kill -9)", inFront, w.size.rounds, writer, clients, "r00")
}

// TestBridgeTerminated: SIGTERM, as in an upgrade.
func TestBridgeTerminated(t *testing.T) {
	eachForm(t, agreeing, bridgeTerminated)
}

func bridgeTerminated(t *testing.T, form chatengine.Form) {
	w := newWorld(t, form)
	bridge := w.bridge(w.database, nil)
	writer, clients := w.writer(""), w.clients(bridge.URL())
	writer.Start("r00")
	rounds := max(w.size.rounds/3, 1)
	for range rounds {
		pause(time.Second, 2*time.Second)
		if took := bridge.Terminate(); took > 10*time.Second {
			t.Errorf("it took %v to end", took)
		}
		bridge.Start()
		bridge.AwaitReady()
		awaitConnects(t, clients, w.size.clients)
	}
	w.finish("bridge restarted (SIGTERM)", alone, rounds, writer, clients, "r00")
}

// TestPostgresRestarted: fast and immediate restarts under load.
func TestPostgresRestarted(t *testing.T) {
	eachForm(t, agreeing, postgresRestarted)
}

func postgresRestarted(t *testing.T, form chatengine.Form) {
	w := newWorld(t, form)
	bridge := w.bridge(w.database, nil)
	writer, clients := w.writer(""), w.clients(bridge.URL())
	writer.Start("r00")
	modes := []string{"fast", "immediate"}
	for _, mode := range modes {
		pause(time.Second, 2*time.Second)
		if err := w.cluster.Restart(context.WithoutCancel(t.Context()), mode); err != nil {
			t.Fatal(err)
		}
		pause(time.Second, 2*time.Second)
	}
	bridge.AwaitReady()
	w.finish("Postgres restarted (fast, immediate)", alone, len(modes), writer, clients, "r00")
}

// TestConnectionsCut: clients' connections reset at random.
func TestConnectionsCut(t *testing.T) {
	eachForm(t, realOnly, connectionsCut)
}

func connectionsCut(t *testing.T, form chatengine.Form) {
	w := newWorld(t, form)
	bridge := w.bridge(w.database, nil)
	link := failover.NewLink(t, bridge.Addr())
	writer, clients := w.writer(""), w.clients(link.URL())
	writer.Start("r00")
	cut := 0
	for range w.size.rounds * 5 {
		pause(100*time.Millisecond, time.Second)
		cut += link.Cut(1 + rand.N(w.size.clients/4))
	}
	awaitConnects(t, clients, w.size.clients)
	w.finish("clients' connections cut at random", alone, cut, writer, clients, "r00")
}

// TestConnectionsCutInFront: the same with a healthy ChatEngine behind the
// gateway: what ChatEngine alone would lose, the gateway sends.
func TestConnectionsCutInFront(t *testing.T) {
	eachForm(t, agreeing, connectionsCutInFront)
}

func connectionsCutInFront(t *testing.T, form chatengine.Form) {
	w := newWorld(t, form)
	engine := w.engine()
	bridge := w.bridge(w.database, map[string]string{"gateway.upstream": engine.URL().String()})
	link := failover.NewLink(t, bridge.Addr())
	writer, clients := w.writer(engine.URL().String()), w.clients(link.URL())
	writer.Start("r00")
	cut := 0
	for range w.size.rounds * 5 {
		pause(100*time.Millisecond, time.Second)
		cut += link.Cut(1 + rand.N(w.size.clients/4))
	}
	awaitConnects(t, clients, w.size.clients)
	t.Log(bridge.Metrics("bridge_gateway_"))
	w.finish("clients' connections cut at random", inFront, cut, writer, clients, "r00")
}
