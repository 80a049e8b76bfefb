package bridge

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"chatbridge/bridge/logging"
	"chatbridge/bridge/ops"
	"chatbridge/configs"

	"github.com/gorilla/websocket"
)

// front is a Daemon in front of a ChatEngine, with some limits, that is not run.
type front struct {
	*Daemon
	t      *testing.T
	env    []string
	server *httptest.Server
	flood  chan struct{} // has ChatEngine's next WebSocket send without an end
	slow   chan struct{} // is received from by requests to /slow; closed at the end
}

func newFront(t *testing.T, env ...string) *front {
	t.Helper()
	f := &front{t: t, flood: make(chan struct{}, 1), slow: make(chan struct{})}
	engine := httptest.NewServer(http.HandlerFunc(f.serveChatEngine))
	t.Cleanup(engine.Close)
	f.env = []string{
		"CHATENGINE_JWT_SECRET=a-secret-of-the-tests", "DATABASE_URL=postgres://nobody@127.0.0.1:1/none",
		"CHATENGINE_URL=" + engine.URL, "BRIDGE_LIMITS_SUBSCRIPTIONS=5",
	}
	var err error
	f.Daemon, err = New(f.config(env...), Options{Build: ops.Build{Version: "test"}, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(f.Close)
	f.server = httptest.NewServer(f.publicHandler())
	t.Cleanup(func() {
		f.server.CloseClientConnections()
		f.server.Close()
		http.DefaultClient.CloseIdleConnections()
	})
	t.Cleanup(func() { close(f.slow) })
	return f
}

// serveChatEngine echoes WebSockets, and answers all else.
func (f *front) serveChatEngine(w http.ResponseWriter, r *http.Request) {
	if r.URL.Query().Get("transport") != "websocket" {
		_, _ = io.Copy(io.Discard, r.Body)
		if r.URL.Path == "/slow" {
			f.slow <- struct{}{}
			<-f.slow
		}
		return
	}
	conn, err := new(websocket.Upgrader).Upgrade(w, r, nil)
	if err != nil {
		return
	}
	defer conn.Close()
	if conn.WriteMessage(websocket.TextMessage, []byte(`0{"sid":"s"}`)) != nil {
		return
	}
	for {
		kind, p, err := conn.ReadMessage()
		if err != nil || conn.WriteMessage(kind, p) != nil {
			return
		}
		select {
		case <-f.flood:
			for conn.WriteMessage(websocket.TextMessage, make([]byte, 1<<20)) == nil {
			}
			return
		default:
		}
	}
}

func (f *front) config(env ...string) *configs.Config {
	f.t.Helper()
	cfg, err := configs.Load(configs.Sources{Complete: true, Env: append(slices.Clone(f.env), env...)})
	if err != nil {
		f.t.Fatal(err)
	}
	return cfg
}

// reloaded changes settings as SIGHUP does.
func (f *front) reloaded(env ...string) (changed, needsRestart []string) {
	f.t.Helper()
	changed, needsRestart, err := f.Reload(f.config(env...))
	if err != nil {
		f.t.Fatal(err)
	}
	return changed, needsRestart
}

func (f *front) status(method, target, body string) int {
	f.t.Helper()
	r, err := http.NewRequestWithContext(f.t.Context(), method, f.server.URL+target, strings.NewReader(body))
	if err != nil {
		f.t.Fatal(err)
	}
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		f.t.Fatal(err)
	}
	defer res.Body.Close()
	_, _ = io.Copy(io.Discard, res.Body)
	return res.StatusCode
}

// websocket opens a proxied WebSocket.
func (f *front) websocket() *websocket.Conn {
	f.t.Helper()
	conn, _, err := websocket.DefaultDialer.Dial("ws"+strings.TrimPrefix(f.server.URL, "http")+"/api/ws/?EIO=4&transport=websocket", nil)
	if err != nil {
		f.t.Fatal(err)
	}
	f.t.Cleanup(func() { conn.Close() })
	_ = conn.SetReadDeadline(time.Now().Add(20 * time.Second))
	if _, _, err := conn.ReadMessage(); err != nil {
		f.t.Fatal(err)
	}
	return conn
}

// until waits for something that other goroutines do.
func (f *front) until(what string, ok func() bool) {
	f.t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			f.t.Fatalf("%s did not come", what)
		}
	}
}

// exchange sends n frames at once and reads as many.
func exchange(conn *websocket.Conn, n int) error {
	if _, err := conn.NetConn().Write(bytes.Repeat([]byte{0x81, 0x81, 0, 0, 0, 0, 'x'}, n)); err != nil {
		return err
	}
	for range n {
		if _, _, err := conn.ReadMessage(); err != nil {
			return err
		}
	}
	return nil
}

const (
	pollTarget = "/api/ws/?EIO=4&transport=polling&sid=x"
	openTarget = "/api/ws/?EIO=4&transport=polling"
)

// TestReloadOfTheGatewaysLimits: each that a reload says that it has changed is another
// one from then on, and one that takes a restart is as before.
func TestReloadOfTheGatewaysLimits(t *testing.T) {
	for _, key := range []string{"CONNECTIONS", "CONNECTIONS_PER_ADDRESS"} {
		t.Run(key, func(t *testing.T) {
			t.Parallel()
			f := newFront(t, "BRIDGE_LIMITS_"+key+"=1")
			var waiting sync.WaitGroup
			waiting.Go(func() { f.status(http.MethodGet, "/slow", "") })
			<-f.slow // it is at ChatEngine
			if got := f.status(http.MethodGet, "/other", ""); got != http.StatusServiceUnavailable {
				t.Errorf("past the limit a request was answered %d", got)
			}
			f.reloadedOne(key, "2")
			if got := f.status(http.MethodGet, "/other", ""); got != http.StatusOK {
				t.Errorf("after a reload a request within the limit was answered %d", got)
			}
			f.slow <- struct{}{}
			waiting.Wait()
		})
	}
	for _, key := range []string{"HANDSHAKES_PER_SECOND", "HANDSHAKES_PER_ADDRESS"} {
		t.Run(key, func(t *testing.T) {
			t.Parallel()
			f := newFront(t, "BRIDGE_LIMITS_"+key+"=1")
			f.until("a refused handshake", func() bool { return f.status(http.MethodGet, openTarget, "") == http.StatusServiceUnavailable })
			f.reloadedOne(key, "0")
			for range 5 {
				if got := f.status(http.MethodGet, openTarget, ""); got != http.StatusOK {
					t.Errorf("after a reload a handshake was answered %d", got)
				}
			}
		})
	}
	t.Run("REQUESTS_PER_ADDRESS", func(t *testing.T) {
		t.Parallel()
		f := newFront(t, "BRIDGE_LIMITS_REQUESTS_PER_ADDRESS=1")
		polls := 0
		poll := func() int { // the first one of a session
			polls++
			return f.status(http.MethodGet, fmt.Sprint(pollTarget, polls), "")
		}
		f.until("a refused poll", func() bool { return poll() == http.StatusTooManyRequests })
		f.reloadedOne("REQUESTS_PER_ADDRESS", "0")
		for range 5 {
			if got := poll(); got != http.StatusOK {
				t.Errorf("after a reload a poll was answered %d", got)
			}
		}
	})
	t.Run("PACKETS_PER_SECOND", func(t *testing.T) {
		t.Parallel()
		f := newFront(t, "BRIDGE_LIMITS_PACKETS_PER_SECOND=10")
		first, second := f.websocket(), f.websocket()
		if exchange(first, 500) == nil {
			t.Error("the limit does not hold")
		}
		f.reloadedOne("PACKETS_PER_SECOND", "0")
		if err := exchange(second, 500); err != nil {
			t.Errorf("after a reload that lifts the limit: %v", err)
		}
	})
	t.Run("WRITE_TIMEOUT", func(t *testing.T) {
		t.Parallel()
		f := newFront(t, "BRIDGE_LIMITS_WRITE_TIMEOUT=10m")
		conn := f.websocket()
		f.reloadedOne("WRITE_TIMEOUT", "100ms")
		f.flood <- struct{}{}
		if err := exchange(conn, 1); err != nil { // and reads no more
			t.Fatal(err)
		}
		f.until("the end of a client that reads nothing", func() bool { return f.gateway.Stats().Websockets == 0 })
	})
	t.Run("PAYLOAD", func(t *testing.T) {
		t.Parallel()
		f := newFront(t, "BRIDGE_LIMITS_PAYLOAD=1024")
		if _, restart := f.reloaded("BRIDGE_LIMITS_PAYLOAD=2048"); !slices.Equal(restart, []string{"limits.payload"}) {
			t.Errorf("%v take a restart", restart)
		}
		if got := f.status(http.MethodPost, pollTarget, strings.Repeat("x", 1025)); got != http.StatusRequestEntityTooLarge {
			t.Errorf("a payload that takes a restart to be admitted was answered %d", got)
		}
	})
}

// reloadedOne sets one limit by a reload, which has to say so.
func (f *front) reloadedOne(limit, value string) {
	f.t.Helper()
	changed, restart := f.reloaded(fmt.Sprintf("BRIDGE_LIMITS_%s=%s", limit, value))
	if want := "limits." + strings.ToLower(limit); !slices.Equal(changed, []string{want}) || len(restart) > 0 {
		f.t.Errorf("changed %v, want %s; %v take a restart", changed, want, restart)
	}
}

// TestReloadNamesWhatTakesARestart, until what is read is what is in use.
func TestReloadNamesWhatTakesARestart(t *testing.T) {
	t.Parallel()
	f := newFront(t)
	for env, want := range map[string][]string{"BRIDGE_SEND_PER_MINUTE=7": {"send.per_minute"}, "BRIDGE_LOG_LEVEL=debug": nil} {
		if err := f.ReloadFrom(func() (*configs.Config, error) { return f.config(env), nil }); err != nil {
			t.Fatal(err)
		}
		if got := f.Snapshot().Reload.NeedsRestart; !slices.Equal(got, want) {
			t.Errorf("%s: %q, want %q", env, got, want)
		}
	}
}

// TestEachReloadIsAnswered: what came of a reload is in the log at once, also where it is
// what came of the one before.
func TestEachReloadIsAnswered(t *testing.T) {
	t.Parallel()
	f := newFront(t)
	var text bytes.Buffer
	f.reload.log = logging.New(&text, logging.Options{Format: logging.JSON}).Logger()
	reload := func(load func() (*configs.Config, error)) string {
		text.Reset()
		_ = f.ReloadFrom(load) // the log has it
		return text.String()
	}
	with := func(env ...string) func() (*configs.Config, error) {
		return func() (*configs.Config, error) { return f.config(env...), nil }
	}
	for range 2 {
		if got := reload(with("BRIDGE_LISTEN=127.0.0.1:1")); !strings.Contains(got, `"settings":["listen"]`) || !strings.Contains(got, `"changed":`) {
			t.Errorf("after another listen: %s", got)
		}
	}
	if got := reload(with("BRIDGE_LISTEN=127.0.0.1:1", "BRIDGE_PING_INTERVAL=20s")); !strings.Contains(got, `"settings":["listen","ping.interval"]`) {
		t.Errorf("after another ping.interval: %s", got)
	}
	for range 2 {
		if got := reload(func() (*configs.Config, error) { return nil, errors.New("bridge.yaml: is broken") }); !strings.Contains(got, "is broken") {
			t.Errorf("of a broken file: %s", got)
		}
		if got := reload(with("CHATENGINE_JWT_SECRET=short", "SUPABASE_JWT_SECRET=small")); !strings.Contains(got, "auth.chatengine_secret (") || !strings.Contains(got, "auth.supabase_secret (") {
			t.Errorf("of short secrets: %s", got)
		}
	}
}
