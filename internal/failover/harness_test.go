package failover_test

import (
	"strings"
	"testing"
	"time"

	"chatbridge/internal/chatengine"
	"chatbridge/internal/failover"
)

// TestHarnessAgrees: with nothing failing, clients of ChatEngine alone show
// what is in the database.
func TestHarnessAgrees(t *testing.T) {
	eachForm(t, realOnly, harnessAgrees)
}

func harnessAgrees(t *testing.T, form chatengine.Form) {
	w := newWorld(t, form)
	engine := w.engine()
	writer, clients := w.writer(engine.URL().String()), w.clients(engine.URL().String())
	writer.Start("r00")
	steady(2 * time.Second)
	if v := w.settle(writer, clients, "r00"); !v.Clean() {
		t.Fatal(v)
	}
	if j := w.judge(clients, "ChatEngine alone"); !j.Clean() || j.Judged == 0 {
		t.Error(j)
	}
	messages, _, direct := writer.Written()
	s := clients.Summary()
	if messages == 0 || direct != 0 || s.Messages == 0 || s.Foreign != 0 || len(s.Failures) > 0 {
		t.Fatalf("%d messages, %d not by ChatEngine; %v", messages, direct, s)
	}
	t.Log(s)
}

// TestHarnessNotices: ChatEngine killed and restored with nothing in its place
// loses what it cannot send, and the comparison says so.
func TestHarnessNotices(t *testing.T) {
	eachForm(t, agreeing, harnessNotices)
}

func harnessNotices(t *testing.T, form chatengine.Form) {
	w := newWorld(t, form)
	engine := w.engine()
	link := failover.NewLink(t, engine.Addr())
	writer, clients := w.writer(engine.URL().String()), w.clients(link.URL())
	writer.Start("r00")
	steady(time.Second)
	engine.Kill()
	steady(time.Second)
	if err := engine.Restore(t.Context()); err != nil {
		t.Fatal(err)
	}
	awaitConnects(t, clients, 2*w.size.clients)
	steady(500 * time.Millisecond)
	writer.Stop()
	v := failover.Compare(t, clients, w.database, w.form, "r00", time.Second)
	if v.Missing == 0 {
		t.Fatalf("messages were sent while no client was connected, and none is missing: %v", v)
	}
	// The histories say so too, for a server that has to send them later.
	j := clients.Judge(w.recorder.Truth(), w.bounds(alone), false)
	if j.Found["Reliable"] == 0 {
		t.Fatalf("the histories miss nothing: %v", j)
	}
	t.Log(v, clients.Summary(), j)
}

// awaitConnects waits until the clients have connected so often, all of them
// together, and all are connected.
func awaitConnects(t *testing.T, clients *failover.Clients, connects int) {
	t.Helper()
	deadline := time.Now().Add(40 * time.Second)
	for {
		s := clients.Summary()
		if s.Connects >= connects && s.Connected == len(s.Known) {
			return
		}
		if len(s.Failures) > 0 || time.Now().After(deadline) {
			for _, d := range clients.Digests() {
				if n := len(d.Log); n > 0 && !strings.Contains(d.Log[n-1], "connect") {
					t.Logf("client %d is away: %q", d.Client, d.Log)
				}
			}
			t.Fatalf("clients do not come back: %v, want %d connects; %v", s, connects, s.Failures)
		}
		time.Sleep(50 * time.Millisecond)
	}
}
