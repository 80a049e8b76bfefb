package socketio_test

import (
	"context"
	"encoding/json"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"chatbridge/socketio"
	"chatbridge/socketio/internal/rawclient"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// fixture is a server with the namespace "/", whose sockets and their ends the test
// gets to see.
type fixture struct {
	t       testing.TB
	server  *socketio.Server
	ns      *socketio.Namespace
	url     string
	sockets chan *socketio.Socket
	ends    chan end
}

type end struct {
	socket *socketio.Socket
	reason socketio.Reason
}

func newFixture(t testing.TB, change func(*socketio.Options)) *fixture {
	t.Helper()
	o := socketio.DefaultOptions()
	o.Path = "/api/ws"
	if change != nil {
		change(&o)
	}
	server, err := socketio.New(o)
	if err != nil {
		t.Fatal(err)
	}
	f := &fixture{
		t: t, server: server, ns: server.Namespace("/"),
		sockets: make(chan *socketio.Socket, 1000), ends: make(chan end, 1000),
	}
	f.ns.OnConnect(func(s *socketio.Socket) { f.sockets <- s })
	f.ns.OnDisconnect(func(s *socketio.Socket, r socketio.Reason) { f.ends <- end{s, r} })
	web := httptest.NewServer(server)
	f.url = web.URL + "/api/ws/"
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), rawclient.Timeout)
		defer cancel()
		if err := server.Shutdown(ctx, socketio.ShutdownOptions{}); err != nil {
			t.Errorf("shut down: %v", err)
		}
		web.Close()
	})
	return f
}

// dial opens a connection that has joined no namespace.
func (f *fixture) dial() *rawclient.WS {
	f.t.Helper()
	c := rawclient.Dial(f.t, f.url+"?EIO=4&transport=websocket")
	c.WantPrefix(`0{"sid":"`)
	return c
}

// ids are those of a CONNECT packet.
type ids struct{ SID, PID string }

// connect opens a connection and joins "/" with a CONNECT payload, "" for none.
func (f *fixture) connect(auth string) (*rawclient.WS, *socketio.Socket, ids) {
	f.t.Helper()
	c := f.dial()
	c.Send("40" + auth)
	return c, f.next(), f.wantConnect(c)
}

func (f *fixture) wantConnect(c *rawclient.WS) (got ids) {
	f.t.Helper()
	packet := c.WantPrefix("40")
	if err := json.Unmarshal([]byte(strings.TrimPrefix(packet, "40")), &got); err != nil || got.SID == "" {
		f.t.Fatalf("CONNECT packet %q: %v", packet, err)
	}
	return got
}

// next returns the next socket that connects.
func (f *fixture) next() *socketio.Socket {
	f.t.Helper()
	select {
	case s := <-f.sockets:
		return s
	case <-time.After(rawclient.Timeout):
		f.t.Fatal("no socket connected")
		return nil
	}
}

// wantEnd waits for the next socket to end, for this reason, and returns it.
func (f *fixture) wantEnd(want socketio.Reason) *socketio.Socket {
	f.t.Helper()
	select {
	case e := <-f.ends:
		if e.reason != want {
			f.t.Fatalf("ended for %v, want %v", e.reason, want)
		}
		return e.socket
	case <-time.After(rawclient.Timeout):
		f.t.Fatalf("no socket ended, want one to for %v", want)
		return nil
	}
}

// awaitCloses waits until so many connections were closed for a reason.
func (f *fixture) awaitCloses(reason socketio.Reason, n uint64) {
	f.t.Helper()
	for began := time.Now(); f.server.Stats().Closes[reason] != n; time.Sleep(time.Millisecond) {
		if time.Since(began) > rawclient.Timeout {
			f.t.Fatalf("%d closes counted as %v, want %d", f.server.Stats().Closes[reason], reason, n)
		}
	}
}

// awaitLen waits until so many connections are left.
func (f *fixture) awaitLen(n int) {
	f.t.Helper()
	for began := time.Now(); f.server.Len() != n; time.Sleep(time.Millisecond) {
		if time.Since(began) > rawclient.Timeout {
			f.t.Fatalf("%d connections, want %d", f.server.Len(), n)
		}
	}
}
