package engineio_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"chatbridge/socketio/engineio"
	"chatbridge/socketio/internal/rawclient"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// app is an application that echoes what clients send and notes what happens.
type app struct {
	silent bool        // it does not echo
	heard  chan string // what clients say, where somebody asks

	mu     sync.Mutex
	open   []*engineio.Session
	closed chan engineio.Reason
	opened chan *engineio.Session
}

func newApp() *app {
	return &app{closed: make(chan engineio.Reason, 10_000), opened: make(chan *engineio.Session, 10_000)}
}

func (a *app) Open(s *engineio.Session, _ *http.Request) engineio.Receiver {
	a.mu.Lock()
	a.open = append(a.open, s)
	a.mu.Unlock()
	a.opened <- s
	return &echo{a, s}
}

type echo struct {
	app     *app
	session *engineio.Session
}

func (e *echo) Message(data []byte, binary bool) {
	if e.app.heard != nil {
		e.app.heard <- string(data)
	}
	switch {
	case e.app.silent:
	case binary:
		e.session.Send(engineio.NewMessage(nil, data))
	default:
		e.session.Send(engineio.NewMessage(data))
	}
}

func (e *echo) Close(r engineio.Reason) { e.app.closed <- r }

// wantClosed waits for the next session to end, for this reason.
func (a *app) wantClosed(t testing.TB, want engineio.Reason) {
	t.Helper()
	select {
	case got := <-a.closed:
		if got != want {
			t.Fatalf("closed for %v, want %v", got, want)
		}
	case <-time.After(rawclient.Timeout):
		t.Fatalf("not closed, want it for %v", want)
	}
}

// next returns the next session to open.
func (a *app) next(t testing.TB) *engineio.Session {
	t.Helper()
	select {
	case s := <-a.opened:
		return s
	case <-time.After(rawclient.Timeout):
		t.Fatal("no session opened")
		return nil
	}
}

// serve starts a server with changed defaults and returns it and its URL. Its end
// is the test's, and must leave nothing.
func serve(t testing.TB, a *app, change func(*engineio.Options)) (*engineio.Server, string) {
	t.Helper()
	o := engineio.DefaultOptions()
	if change != nil {
		change(&o)
	}
	s, err := engineio.NewServer(o, a)
	if err != nil {
		t.Fatal(err)
	}
	return s, serveHTTP(t, s)
}

func serveHTTP(t testing.TB, s *engineio.Server) (url string) {
	web := httptest.NewServer(s)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), rawclient.Timeout)
		defer cancel()
		if err := s.Shutdown(ctx, 0, 0); err != nil {
			t.Errorf("shut down: %v", err)
		}
		web.Close()
	})
	return web.URL
}

const ws = "?EIO=4&transport=websocket"

// dial opens a session on WebSocket and reads its open packet.
func dial(t testing.TB, url string) *rawclient.WS {
	t.Helper()
	c := rawclient.Dial(t, url+ws)
	c.WantPrefix(`0{"sid":"`)
	return c
}
