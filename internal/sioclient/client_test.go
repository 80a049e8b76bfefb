package sioclient_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"chatbridge/internal/npm"
	"chatbridge/internal/sioclient"
	"chatbridge/socketio"
	"chatbridge/socketio/engineio"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// servers are the real Socket.IO server on Node.js and ours, with the same
// behaviour: testdata/npm/server.mjs and ours below.
var servers = map[string]func(t *testing.T) string{"node": node, "ours": ours}

func node(t *testing.T) string {
	npm.Install(t, "testdata/npm")
	p := npm.Node(t, "testdata/npm/server.mjs")
	var listening struct{ Port int }
	p.Await("listening", &listening)
	return fmt.Sprintf("http://127.0.0.1:%d", listening.Port)
}

func ours(t *testing.T) string {
	o := socketio.DefaultOptions()
	o.Path = "/api/ws"
	o.PingInterval, o.PingTimeout = 100*time.Millisecond, 400*time.Millisecond
	o.Recovery.Enabled = true
	s, err := socketio.New(o)
	if err != nil {
		t.Fatal(err)
	}
	ns := s.Namespace("/")
	var missed atomic.Pointer[socketio.Packet] // by the client that "drop" has cut off
	ns.OnAuth(func(_ context.Context, h *socketio.Handshake) (any, error) {
		var a struct{ Token, WorkspaceID string }
		if err := json.Unmarshal(h.Auth, &a); err != nil {
			return nil, err
		}
		switch a.Token {
		case "good":
			return a.WorkspaceID, nil
		case "later":
			return nil, socketio.ErrRetry
		}
		return nil, &socketio.ConnectError{Message: "the token is not right", Data: map[string]string{"code": "token_signature"}}
	})
	ns.OnConnect(func(socket *socketio.Socket) {
		if !socket.Recovered() {
			_ = socket.Emit("hello", map[string]any{"workspace": socket.Data()}, "offset")
		} else if p := missed.Load(); p != nil {
			_ = socket.Send(p)
		}
	})
	ns.OnEvent(func(socket *socketio.Socket, e *socketio.Event) {
		if e.Name == "drop" {
			missed.Store(socketio.NewEvent("/", "missed", e.Args[0], []byte(`"offset"`)))
		}
		behave(socket, e)
	})
	h := httptest.NewServer(s)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if err := s.Shutdown(ctx, socketio.ShutdownOptions{Batch: 100}); err != nil {
			t.Error(err)
		}
		h.Close()
	})
	return h.URL
}

func behave(socket *socketio.Socket, e *socketio.Event) {
	args := make([]any, len(e.Args))
	for i, a := range e.Args {
		args[i] = a
	}
	switch {
	case e.Name == "echo" && e.HasAck():
		_ = e.Ack(args...)
	case e.Name == "echo":
		_ = socket.Emit("echoed", args...)
	case e.Name == "binary":
		_ = socket.Emit("bytes", []byte{1, 2, 3}, map[string]any{"more": []byte{4}})
	case e.Name == "drop":
		socket.Close(engineio.ServerClose)
	case e.Name == "kick":
		socket.Disconnect()
	}
}

// recorder is a client with what happened to it, as lines.
type recorder struct {
	*sioclient.Client
	lines chan string
	done  chan error
}

func record(t *testing.T, o sioclient.Options) *recorder {
	t.Helper()
	r := &recorder{lines: make(chan string, 100), done: make(chan error, 1)}
	o.OnConnect = func(s sioclient.Session) {
		r.lines <- fmt.Sprintf("connect recovered=%v pid=%v", s.Recovered, s.PID != "")
	}
	o.OnDisconnect = func(_ error, retry time.Duration) { r.lines <- fmt.Sprintf("disconnect again=%v", retry >= 0) }
	o.OnEvent = func(e sioclient.Event) { r.lines <- event(e) }
	if o.Backoff == (sioclient.Backoff{}) {
		o.Backoff = sioclient.Backoff{Delay: 50 * time.Millisecond, Most: 50 * time.Millisecond}
	}
	var err error
	if r.Client, err = sioclient.New(o); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	go func() { r.done <- r.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-r.done; err != nil {
			t.Errorf("Run: %v", err)
		}
	})
	return r
}

// event prints an event without the offset, which is random with Node.
func event(e sioclient.Event) string {
	parts := []string{e.Name}
	for _, a := range e.Args {
		if !strings.HasPrefix(string(a), `"`) || e.Name == "echoed" {
			parts = append(parts, string(a))
		}
	}
	for _, a := range e.Attachments {
		parts = append(parts, fmt.Sprint(a))
	}
	return strings.Join(parts, " ")
}

func (r *recorder) expect(t *testing.T, want ...string) {
	t.Helper()
	for _, w := range want {
		if got := r.next(t); got != w {
			t.Errorf("got %q, want %q", got, w)
		}
	}
}

func (r *recorder) next(t *testing.T) string {
	t.Helper()
	select {
	case got := <-r.lines:
		return got
	case <-time.After(20 * time.Second):
		t.Fatal("nothing came")
		return ""
	}
}

func good() map[string]any { return map[string]any{"token": "good", "workspaceId": "w1"} }

func TestClient(t *testing.T) {
	t.Parallel()
	for name, start := range servers {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			url := start(t)
			t.Run("events and acknowledgements", func(t *testing.T) {
				t.Parallel()
				testEvents(t, url)
			})
			// The two that drop have a server of their own: what they miss goes to
			// all clients of it.
			t.Run("recovery", func(t *testing.T) {
				t.Parallel()
				url := start(t)
				r := record(t, sioclient.Options{URL: url, Auth: good()})
				r.expect(t, "connect recovered=false pid=true", `hello {"workspace":"w1"}`)
				if err := r.Emit("drop", map[string]int{"n": 7}); err != nil {
					t.Fatal(err)
				}
				r.expect(t, "disconnect again=true")
				// Node sends what was missed before its CONNECT, we after ours;
				// socket.io-client takes both.
				got := []string{r.next(t), r.next(t)}
				slices.Sort(got)
				if want := []string{"connect recovered=true pid=true", `missed {"n":7}`}; !slices.Equal(got, want) {
					t.Errorf("got %q, want %q", got, want)
				}
			})
			t.Run("without recovery", func(t *testing.T) {
				t.Parallel()
				url := start(t)
				r := record(t, sioclient.Options{URL: url, Auth: good(), NoRecovery: true})
				r.expect(t, "connect recovered=false pid=true", `hello {"workspace":"w1"}`)
				if err := r.Emit("drop", nil); err != nil {
					t.Fatal(err)
				}
				r.expect(t, "disconnect again=true", "connect recovered=false pid=true", `hello {"workspace":"w1"}`)
			})
			t.Run("heartbeat", func(t *testing.T) {
				t.Parallel()
				// Longer than the server waits for a pong: it would have gone.
				r := record(t, sioclient.Options{URL: url, Auth: good()})
				r.expect(t, "connect recovered=false pid=true", `hello {"workspace":"w1"}`)
				for range 8 {
					ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
					_, err := r.EmitAck(ctx, "silence")
					cancel()
					if !errors.Is(err, context.DeadlineExceeded) {
						t.Fatal(err)
					}
				}
			})
			t.Run("ends", func(t *testing.T) {
				t.Parallel()
				testEnds(t, url)
			})
		})
	}
}

func testEvents(t *testing.T, url string) {
	r := record(t, sioclient.Options{URL: url, Auth: good()})
	r.expect(t, "connect recovered=false pid=true", `hello {"workspace":"w1"}`)
	if err := r.Emit("echo", "a", 1, nil, map[string]any{"b": []int{1, 2}}); err != nil {
		t.Fatal(err)
	}
	if got := <-r.lines; !strings.HasPrefix(got, `echoed "a" 1 null {"b":[1,2]}`) {
		t.Errorf("got %q", got)
	}
	var wg sync.WaitGroup
	for i := range 20 {
		wg.Go(func() {
			args, err := r.EmitAck(t.Context(), "echo", i, "é\u2028")
			if err != nil || len(args) != 2 || string(args[0]) != fmt.Sprint(i) {
				t.Errorf("acknowledgement of %d: %s, %v", i, args, err)
			}
		})
	}
	wg.Wait()
	if err := r.Emit("binary"); err != nil {
		t.Fatal(err)
	}
	if got := <-r.lines; !strings.HasPrefix(got, `bytes {"_placeholder":true,"num":0} {"more":{"_placeholder":true,"num":1}} [1 2 3] [4]`) &&
		!strings.HasPrefix(got, `bytes {"_placeholder":true,"num":0}`) {
		t.Errorf("got %q", got)
	}
}

func testEnds(t *testing.T, url string) {
	run := func(o sioclient.Options) error {
		t.Helper()
		c, err := sioclient.New(o)
		if err != nil {
			t.Fatal(err)
		}
		return c.Run(t.Context())
	}
	var refused *sioclient.ConnectError
	err := run(sioclient.Options{URL: url, Auth: map[string]any{"token": "bad"}})
	if !errors.As(err, &refused) || refused.Message != "the token is not right" || refused.Code() != "token_signature" {
		t.Errorf("refused: %v", err)
	}
	attempts := 0
	err = run(sioclient.Options{
		URL: url, Auth: map[string]any{"token": "later"}, Backoff: sioclient.Backoff{Delay: time.Millisecond, Most: time.Millisecond, Attempts: 5},
		OnDisconnect: func(error, time.Duration) { attempts++ },
	})
	if err == nil || errors.As(err, &refused) || attempts != 6 {
		t.Errorf("not now: %v after %d attempts", err, attempts)
	}
	var kicked *sioclient.Client
	kicked, err = sioclient.New(sioclient.Options{URL: url, Auth: good(), OnConnect: func(sioclient.Session) { _ = kicked.Emit("kick") }})
	if err != nil {
		t.Fatal(err)
	}
	if err := kicked.Run(t.Context()); !errors.Is(err, sioclient.ErrDisconnected) {
		t.Errorf("kicked: %v", err)
	}
	if err := kicked.Emit("echo"); !errors.Is(err, sioclient.ErrNotConnected) {
		t.Errorf("emit when gone: %v", err)
	}
	wrong := run(sioclient.Options{URL: url, Path: "/elsewhere", Backoff: sioclient.Backoff{Attempts: 1, Delay: 1, Most: 1}})
	if wrong == nil || final(wrong) {
		t.Errorf("wrong path: %v", wrong)
	}
}

func final(err error) bool {
	var refused *sioclient.ConnectError
	return errors.As(err, &refused) || errors.Is(err, sioclient.ErrDisconnected)
}

// An acknowledgement that will not come any more is an error at once.
func TestAckAfterTheEnd(t *testing.T) {
	t.Parallel()
	r := record(t, sioclient.Options{URL: ours(t), Auth: good()})
	r.expect(t, "connect recovered=false pid=true", `hello {"workspace":"w1"}`)
	if _, err := r.EmitAck(t.Context(), "drop", 1); !errors.Is(err, sioclient.ErrNotConnected) {
		t.Errorf("got %v", err)
	}
}

// A server that falls silent is left after its own ping interval and time-out.
func TestSilentServer(t *testing.T) {
	t.Parallel()
	stop := make(chan struct{})
	server := httptest.NewServer(silent(t, stop))
	defer server.Close()
	defer close(stop)
	c, err := sioclient.New(sioclient.Options{URL: server.URL, Backoff: sioclient.Backoff{Attempts: 1, Delay: 1, Most: 1}})
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Run(t.Context()); !errors.Is(err, sioclient.ErrPingTimeout) {
		t.Errorf("got %v", err)
	}
}

func TestAddresses(t *testing.T) {
	t.Parallel()
	for _, bad := range []string{"", "localhost:8080", "ftp://x", "http://", "://"} {
		if _, err := sioclient.New(sioclient.Options{URL: bad}); err == nil {
			t.Errorf("%q was accepted", bad)
		}
	}
	seen := make(chan string, 1)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		seen <- r.URL.String()
		w.WriteHeader(http.StatusTeapot)
	}))
	defer server.Close()
	for _, tt := range []struct{ url, path, want string }{
		{"", "", "/api/ws/"}, {"/", "", "/api/ws/"}, {"/ws/", "", "/ws/"}, {"/ignored", "/ws", "/ws/"}, {"?x=1", "", "/api/ws/"},
	} {
		c, err := sioclient.New(sioclient.Options{URL: server.URL + tt.url, Path: tt.path, Backoff: sioclient.Backoff{Attempts: 1, Delay: 1, Most: 1}, OnDisconnect: func(error, time.Duration) { <-seen }})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- c.Run(ctx) }()
		err = <-done
		cancel()
		if err == nil || !strings.Contains(err.Error(), "418") {
			t.Errorf("%s: %v", tt.url, err)
		}
	}
}
