package clienttest_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"chatbridge/socketio"
)

// TestRecovery cuts the network twice while events are sent all the time. The
// client must have each of them once, in order, with the same id and rooms.
func TestRecovery(t *testing.T) {
	recovery(t, func(net *cable, old *socketio.Socket) {
		net.cutServer()
		<-old.Done()
		net.cutClients()
	})
}

func recovery(t *testing.T, cut func(net *cable, old *socketio.Socket)) {
	eachKind(t, func(t *testing.T, k kind) {
		if !k.recovers {
			t.Skip("connection-state recovery came with socket.io-client 4.6")
		}
		o := testOptions()
		o.Recovery.Enabled = true
		s := startServer(t, o)
		net := startCable(t, s.addr)
		c := k.start(t)
		first := c.connected(net.url(), crm("good", options{"reconnectionDelay": 200}))
		socket := s.socket()
		c.emit("1", "subscribe:conversation", "c1")
		c.acked("1", map[string]bool{"ok": true})

		stop, sent := make(chan struct{}), make(chan int)
		go func() { sent <- countTo(stop, func(n int) { s.broadcast("message", n, "c1") }) }()
		var got []int
		count, cuts := -1, 0
		for count < 0 || len(got) < count {
			r := c.next()
			switch r.Event {
			case "received":
				got = append(got, decode[int](t, r.Args[0]))
				if len(got) == 100*(cuts+1) && cuts < 2 {
					cuts++
					cut(net, socket)
				}
			case "connect":
				if socket = s.socket(); !r.Recovered || r.ID != first.ID || !socket.Recovered() || socket.ID() != first.ID {
					if count < 0 {
						close(stop)
						<-sent
					}
					t.Fatalf("reconnected with the id %s, recovered %v (server: %s, %v); want %s, true",
						r.ID, r.Recovered, socket.ID(), socket.Recovered(), first.ID)
				}
				// On a busy machine a client may lose its connection without us.
				if cuts == 2 && count < 0 {
					close(stop)
					count = <-sent
				}
			case "disconnect", "reconnect_attempt":
			default:
				t.Fatalf("unexpected: %+v", r)
			}
		}
		wantCount(t, got, count)
		t.Logf("%d events over 3 connections", count)
	})
}

// countTo calls f with 0, 1, 2, ... a millisecond apart until stop is closed, and
// returns how often.
func countTo(stop <-chan struct{}, f func(n int)) int {
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for n := 0; ; n++ {
		f(n)
		select {
		case <-stop:
			return n + 1
		case <-tick.C:
		}
	}
}

// wantCount fails unless got is 0, 1, 2, ... up to n.
func wantCount(t *testing.T, got []int, n int) {
	t.Helper()
	want := make([]int, n)
	for i := range want {
		want[i] = i
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("events (-sent +received):\n%s", diff)
	}
}

// TestNoRecovery: a client whose session the server does not know any more is a
// new one.
func TestNoRecovery(t *testing.T) {
	eachKind(t, func(t *testing.T, k kind) {
		o := testOptions()
		o.Recovery.Enabled = true
		s := startServer(t, o)
		c := k.start(t)
		first := c.connected(s.url(), crm("good", options{"reconnectionDelay": 200}))
		s.socket()
		s.broadcast("message", "x", "workspace") // so that the client has an offset
		if r := c.next(); r.Event != "received" {
			t.Fatalf("unexpected: %+v", r)
		}
		s.down()
		s.up()
		r := c.await("connect")
		if r.Recovered || r.ID == first.ID {
			t.Errorf("recovered %v, id %s; want a new one", r.Recovered, r.ID)
		}
	})
}
