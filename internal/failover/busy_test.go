package failover_test

import (
	"os"
	"os/exec"
	"runtime"
	"testing"
	"time"

	"chatbridge/internal/chatengine"
	"chatbridge/internal/failover"
)

// busyMost bounds how long the cores are kept busy, however a test ends.
const busyMost = 5 * time.Minute

// spin makes this process, a copy of the test's, keep one core busy until its
// time is over or its standard input ends. For TestMain.
func spin() {
	go func() {
		time.Sleep(busyMost)
		os.Exit(0)
	}()
	go func() {
		_, _ = os.Stdin.Read(make([]byte, 1)) // returns when the test's process is gone
		os.Exit(0)
	}()
	for {
		_ = time.Now()
	}
}

// spinEnv asks a copy of the test binary to spin.
const spinEnv = "FAILOVER_SPIN"

// busy keeps each core busy with other processes until the test's end.
func (w *world) busy() {
	w.t.Helper()
	for range runtime.NumCPU() {
		cmd := exec.CommandContext(w.t.Context(), os.Args[0])
		cmd.Env = append(os.Environ(), spinEnv+"=1")
		stdin, err := cmd.StdinPipe()
		if err == nil {
			err = cmd.Start()
		}
		if err != nil {
			w.t.Fatal(err)
		}
		w.t.Cleanup(func() {
			_ = stdin.Close()
			_ = cmd.Wait() // it is ended by its input, or by the context
		})
	}
	w.prompt *= 2
}

// onlyFull skips the test in the short form, which leaves the cores to the other
// packages' tests.
func onlyFull(t *testing.T) {
	t.Helper()
	if !full() {
		t.Skip("keeps every core busy; FAILOVER=full runs it")
	}
}

// busySize is a load that two busy cores can serve.
func (w *world) busySize() {
	w.size.clients, w.size.rate, w.size.rounds = 20, 40, 4
}

// TestBridgeKilledBusy: killed and started again on a busy machine.
func TestBridgeKilledBusy(t *testing.T) {
	onlyFull(t)
	eachForm(t, nil, bridgeKilledBusy)
}

func bridgeKilledBusy(t *testing.T, form chatengine.Form) {
	w := newWorld(t, form)
	w.busySize()
	bridge := w.bridge(w.database, nil)
	writer, clients := w.writer(""), w.clients(bridge.URL())
	w.busy()
	writer.Start("r00")
	for range w.size.rounds {
		w.killBridge(bridge, clients)
	}
	w.finish("bridge killed (kill -9), cores busy", alone, w.size.rounds, writer, clients, "r00")
}

// TestChatEngineKilledInFrontBusy: hand-over and hand-back on a busy machine.
func TestChatEngineKilledInFrontBusy(t *testing.T) {
	onlyFull(t)
	eachForm(t, nil, chatEngineKilledInFrontBusy)
}

func chatEngineKilledInFrontBusy(t *testing.T, form chatengine.Form) {
	w := newWorld(t, form)
	w.busySize()
	engine := w.engine()
	bridge := w.bridge(w.database, gatewaySettings(engine))
	writer, clients := w.writer(engine.URL().String()), w.clients(bridge.URL())
	w.busy()
	writer.Start("r00")
	for range w.size.rounds {
		pause(time.Second, 3*time.Second)
		engine.Kill()
		pause(100*time.Millisecond, 4*time.Second)
		w.restore(engine)
		w.handedBack(bridge)
	}
	t.Log(bridge.Metrics("bridge_gateway_"))
	w.finish("ChatEngine killed and restored, cores busy", inFront, w.size.rounds, writer, clients, "r00")
}

// TestConnectionsCutBusy: connections cut at random on a busy machine.
func TestConnectionsCutBusy(t *testing.T) {
	onlyFull(t)
	eachForm(t, nil, connectionsCutBusy)
}

func connectionsCutBusy(t *testing.T, form chatengine.Form) {
	w := newWorld(t, form)
	w.busySize()
	bridge := w.bridge(w.database, nil)
	link := failover.NewLink(t, bridge.Addr())
	writer, clients := w.writer(""), w.clients(link.URL())
	w.busy()
	writer.Start("r00")
	cut := 0
	for range w.size.rounds * 5 {
		pause(100*time.Millisecond, time.Second)
		cut += link.Cut(1 + w.size.clients/8)
	}
	awaitConnects(t, clients, w.size.clients)
	w.finish("clients' connections cut at random, cores busy", alone, cut, writer, clients, "r00")
}
