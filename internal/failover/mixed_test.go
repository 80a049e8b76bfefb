package failover_test

import (
	"context"
	"math/rand/v2"
	"testing"
	"time"

	"chatbridge/internal/chatengine"
	"chatbridge/internal/failover"
)

// TestChatEngineHangs: it is stopped and continued, its connections stay open.
// What it had begun it finishes when it is continued.
func TestChatEngineHangs(t *testing.T) {
	eachForm(t, realOnly, chatEngineHangs)
}

func chatEngineHangs(t *testing.T, form chatengine.Form) {
	w := newWorld(t, form)
	w.timeout = 2 * time.Second
	engine := w.engine()
	settings := gatewaySettings(engine)
	settings["gateway.timeout"] = "500ms"
	bridge := w.bridge(w.database, settings)
	writer, clients := w.writer(engine.URL().String()), w.clients(bridge.URL())
	writer.Start("r00")
	rounds := max(w.size.rounds/2, 1)
	for range rounds {
		pause(time.Second, 2*time.Second)
		if err := engine.Freeze(); err != nil {
			t.Fatal(err)
		}
		pause(3*time.Second, 5*time.Second)
		if err := engine.Thaw(); err != nil {
			t.Fatal(err)
		}
		w.handedBack(bridge)
	}
	t.Log(bridge.Metrics("bridge_gateway_"))
	w.finish("ChatEngine hanging (SIGSTOP)", inFront, rounds, writer, clients, "r00")
}

// TestEverythingAtOnce: in front, with whatever can fail failing in any order,
// the next one often before the last one is over.
func TestEverythingAtOnce(t *testing.T) {
	eachForm(t, agreeing, everythingAtOnce)
}

func everythingAtOnce(t *testing.T, form chatengine.Form) {
	w := newWorld(t, form)
	engine := w.engine()
	bridge := w.bridge(w.database, gatewaySettings(engine))
	link := failover.NewLink(t, bridge.Addr())
	writer, clients := w.writer(engine.URL().String()), w.clients(link.URL())
	failures := []func(){
		func() {
			engine.Kill()
			pause(0, 3*time.Second)
			w.restore(engine)
		},
		func() { w.killBridge(bridge, clients) },
		func() {
			engine.Kill() // and the bridge with it
			w.killBridge(bridge, clients)
			w.restore(engine)
		},
		func() {
			if err := w.cluster.Restart(context.WithoutCancel(t.Context()), "fast"); err != nil {
				t.Fatal(err)
			}
		},
		func() { link.Cut(1 + rand.N(w.size.clients/2)) },
	}
	writer.Start("r00")
	rounds := w.size.rounds * 2
	for i := range rounds {
		pause(0, 3*time.Second)
		failures[i%len(failures)]()
		if i%len(failures) == len(failures)-1 {
			rand.Shuffle(len(failures), func(i, j int) { failures[i], failures[j] = failures[j], failures[i] })
		}
	}
	bridge.AwaitReady()
	awaitConnects(t, clients, w.size.clients)
	t.Log(bridge.Metrics("bridge_gateway_"))
	w.finish("all of it, in any order", inFront, rounds, writer, clients, "r00")
}
