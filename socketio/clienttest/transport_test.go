package clienttest_test

import (
	"strings"
	"testing"
)

// transports are the ways to connect, and where each ends up.
var transports = []struct {
	name  string
	offer []string
	ends  string
}{
	{"crm", []string{"websocket", "polling"}, "websocket"},
	{"websocket", []string{"websocket"}, "websocket"},
	{"polling", []string{"polling"}, "polling"},
	{"upgrade", []string{"polling", "websocket"}, "websocket"},
}

// TestTransports has each client do all that the protocol can, on each
// transport.
func TestTransports(t *testing.T) {
	eachKind(t, func(t *testing.T, k kind) {
		s := startServer(t, testOptions())
		for _, tr := range transports {
			t.Run(tr.name, func(t *testing.T) {
				c := k.start(t)
				r := c.connected(s.url(), crm("good", options{"transports": tr.offer}))
				socket := s.socket()
				if r.ID != socket.ID() {
					t.Errorf("client has the id %q, server %q", r.ID, socket.ID())
				}
				if r.Transport != tr.ends {
					r = c.await("upgrade")
				}
				converse(t, s, c) // and what the client has sent, the server has read
				if r.Transport != tr.ends || socket.Transport() != tr.ends {
					t.Errorf("client is on %s, server on %s, want %s", r.Transport, socket.Transport(), tr.ends)
				}

				if err := socket.Emit("question", "é", bin1); err != nil {
					t.Fatal(err)
				}
				c.received("question", "é", bin(bin1...))
				c.do("disconnect")
				if r := c.await("disconnect"); r.Reason != "io client disconnect" {
					t.Errorf("disconnected by %q", r.Reason)
				}
				<-socket.Done()
			})
		}
	})
}

var bin1 = []byte{0, 1, 0xfe, 0xff}

// converse exchanges every kind of packet.
func converse(t *testing.T, s *server, c *client) {
	t.Helper()
	c.emit("1", "subscribe:conversation", "c1")
	c.acked("1", map[string]bool{"ok": true})
	c.emit("2", "subscribe:conversation", "c1") // again, as after a reconnect
	c.acked("2", map[string]bool{"ok": true})

	// What JSON, JavaScript and HTML disagree on must arrive unchanged.
	odd := map[string]any{"content": "<b>&\"\\ \u2028 \u0000 é 😀 " + strings.Repeat("x", 100_000), "n": 1.5, "list": []any{nil, true}}
	for _, event := range []string{"message", "conversation", "messageStatus"} {
		s.broadcast(event, odd, "c1", "workspace") // in both rooms: once
		c.received(event, odd)
	}
	c.emit("", "typing", map[string]any{"conversationId": "c1", "isTyping": true})
	c.received("typing", map[string]any{"conversationId": "c1", "isTyping": true})

	c.emit("3", "echo", odd, "second", 3)
	c.acked("3", odd, "second", 3)

	args := []any{bin(1, 2, 3), "text", map[string]any{"deep": []any{bin(), bin(0xff)}}}
	c.emit("4", "binary", args...)
	c.received("binary-back", args...)
	c.acked("4", args...)

	c.emit("5", "unsubscribe:conversation", "c1")
	c.acked("5", map[string]bool{"ok": true})
	s.broadcast("message", "not for us", "c1")
	s.broadcast("message", "for us", "workspace")
	c.received("message", "for us")
}

// TestUpgradeLosesNothing sends in both directions all the while that a client
// moves from polling to WebSocket: what is under way then is the classic loss.
func TestUpgradeLosesNothing(t *testing.T) {
	eachKind(t, func(t *testing.T, k kind) {
		s := startServer(t, testOptions())
		c := k.start(t)
		c.connect(s.url(), crm("good", options{"transports": []string{"polling", "websocket"}}))
		socket := s.socket()

		// Events from the moment the server knows the client until 50 after the
		// upgrade.
		upgraded, sent, stop := make(chan struct{}), make(chan int), make(chan struct{})
		go func() {
			after := 0
			sent <- countTo(stop, func(n int) {
				if err := socket.Emit("n", n); err != nil {
					t.Errorf("emit %d: %v", n, err)
				}
				select {
				case <-upgraded:
					if after++; after == 50 {
						close(stop)
					}
				default:
				}
			})
		}()

		var got []int
		acks, tags := 0, 0
		connected, count := false, -1
		for count < 0 || len(got) < count || acks < tags {
			r := c.next()
			switch r.Event {
			case "connect":
				connected = true
			case "received":
				got = append(got, decode[int](t, r.Args[0]))
				if connected && count < 0 {
					c.emit("echo", "echo", tags)
					tags++
				}
			case "acked":
				if n := decode[int](t, r.Args[0]); n != acks {
					t.Fatalf("acknowledgement of %d, want %d", n, acks)
				}
				acks++
			case "upgrade":
				close(upgraded)
				count = <-sent
			default:
				t.Fatalf("unexpected: %+v", r)
			}
		}
		wantCount(t, got, count)
		t.Logf("%d events down, %d up", count, tags)
	})
}
