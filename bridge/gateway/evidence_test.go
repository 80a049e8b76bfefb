package gateway_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"chatbridge/bridge/gateway"
	"chatbridge/internal/chatengine"
)

// raw writes a request as it is to the server at url and returns the status
// line and the header fields of the answer, or why there is none.
func raw(t *testing.T, url, request string) string {
	t.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(5 * time.Second))
	if _, err := io.WriteString(conn, request); err != nil {
		return err.Error()
	}
	var head strings.Builder
	r := bufio.NewReader(conn)
	for {
		line, err := r.ReadString('\n')
		head.WriteString(line)
		if err != nil || line == "\r\n" {
			return head.String()
		}
	}
}

const upgradeHead = "Host: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: Y2hhdGJyaWRnZS10cmlhbA==\r\n"

// attacks are requests that a healthy ChatEngine does not answer as it does a
// client's, with the beginning of what the gateway should answer.
var attacks = map[string]struct{ request, want string }{
	"CONNECT":            {"CONNECT /api/ws/?EIO=4&transport=polling HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP/1.1 405 "},
	"CONNECT, no slash":  {"CONNECT /api/ws HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP/1.1 405 "},
	"CONNECT, authority": {"CONNECT chatengine:3000 HTTP/1.1\r\nHost: chatengine:3000\r\n\r\n", "HTTP/1.1 405 "},
	"bad chunk, session": {"POST /api/ws/?EIO=4&transport=polling HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", "HTTP/1.1 400 "},
	"bad chunk, poll":    {"POST /api/ws/?EIO=4&transport=polling&sid=x HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", "HTTP/1.1 400 "},
	// ChatEngine, which reads no body of a GET, may have answered before the chunk is seen.
	"bad chunk, GET":   {"GET /api/ws/?EIO=4&transport=polling HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", "HTTP/1.1 "},
	"bad chunk, other": {"POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", "HTTP/1.1 "},
	"short body":       {"GET /api/ws/?EIO=4&transport=polling HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\n", "HTTP/1.1 "},
	// Node's server has upgraded when it finds these; it closes the connection.
	"old protocol":          {"GET /api/ws/?EIO=3&transport=websocket HTTP/1.1\r\n" + upgradeHead + "\r\n", "HTTP/1.1 "},
	"no such transport":     {"GET /api/ws/?EIO=4&transport=polling HTTP/1.1\r\n" + upgradeHead + "\r\n", "HTTP/1.1 "},
	"not Socket.IO's path":  {"GET /api/ws?EIO=4&transport=websocket HTTP/1.1\r\n" + upgradeHead + "\r\n", "HTTP/1.1 "},
	"a head of 40 kilobyte": {"GET /api/ws/?EIO=4&transport=websocket HTTP/1.1\r\n" + upgradeHead + "X-Large: " + strings.Repeat("x", 40<<10) + "\r\n\r\n", "HTTP/1.1 "},
}

// TestClientsRequestsAreNoEvidence: whatever a client sends, a healthy
// ChatEngine keeps its clients.
func TestClientsRequestsAreNoEvidence(t *testing.T) {
	t.Parallel()
	engine := chatengine.New(t, chatengine.Options{})
	for name, attack := range attacks {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := fast(engine.URL().String())
			o.HandshakeTimeout = time.Second // of the requests that hang
			o.CatchUp = 0
			g := run(t, o)
			g.await(t, "first probe", func(s gateway.Status) bool { return s.Healthy })
			for range 2 * o.FailAfter {
				if got := raw(t, g.url, attack.request); !strings.HasPrefix(got, attack.want) {
					t.Errorf("answered %q, want %q", got, attack.want)
				}
			}
			probes := g.Stats().Probes
			awaitFor(t, "two probes after it", func() bool { return g.Stats().Probes >= probes+2 })
			if s := g.Stats(); s.Switches["local"] > 0 || s.Status.State != gateway.Upstream {
				t.Errorf("%v: %s", s.Status.State, s.Status.Reason)
			}
		})
	}
}

// TestAClientDoesNotMakeOneProbeDecisive: while clients send what fails, one
// failed probe is still one of several that it takes.
func TestAClientDoesNotMakeOneProbeDecisive(t *testing.T) {
	t.Parallel()
	for name, attack := range attacks {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			engine := newFlaky(t)
			o := fast(engine.URL)
			o.HandshakeTimeout = time.Second // of the requests that hang
			o.CatchUp = 0
			g := run(t, o)
			g.await(t, "first probe", func(s gateway.Status) bool { return s.Healthy })
			for range 3 {
				raw(t, g.url, attack.request)
				failed := g.Stats().ProbesFailed
				engine.failing.Store(1)
				awaitFor(t, "a failed probe", func() bool { return g.Stats().ProbesFailed > failed })
				g.await(t, "a good probe", func(s gateway.Status) bool { return s.Healthy })
			}
			if s := g.Stats(); s.Switches["local"] > 0 {
				t.Errorf("%v: %s", s.Status.State, s.Status.Reason)
			}
		})
	}
}

// flaky is a ChatEngine that is well but for some of the answers to probes.
type flaky struct {
	*httptest.Server
	failing atomic.Int32 // that many probes are answered 500
}

func newFlaky(t *testing.T) *flaky {
	engine := newScripted(t)
	f := new(flaky)
	f.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.URL.Query().Get("sid") == "bridge-health-probe" && f.failing.Add(-1) >= 0:
			w.WriteHeader(http.StatusInternalServerError)
		case r.URL.Query().Get("EIO") == "3":
			panic(http.ErrAbortHandler) // as Node's server: the connection is closed
		default:
			_, _ = io.Copy(io.Discard, r.Body)
			engine.Config.Handler.ServeHTTP(w, r)
		}
	}))
	t.Cleanup(f.Close)
	return f
}

// TestSessionsFailThoughTheProbeSucceeds: then the gateway opens a session
// itself, and that decides.
func TestSessionsFailThoughTheProbeSucceeds(t *testing.T) {
	t.Parallel()
	engine := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Has("sid") { // the probe
			w.WriteHeader(http.StatusBadRequest)
			fmt.Fprint(w, `{"code":1,"message":"Session ID unknown"}`)
			return
		}
		w.WriteHeader(http.StatusInternalServerError)
	}))
	t.Cleanup(engine.Close)
	o := fast(engine.URL)
	o.Local = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "the bridge") })
	g := run(t, o)
	g.await(t, "first probe", func(s gateway.Status) bool { return s.Healthy })
	for range o.FailAfter {
		if got := raw(t, g.url, "GET /api/ws/?EIO=4&transport=polling HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"); !strings.HasPrefix(got, "HTTP/1.1 200") {
			t.Errorf("answered %q", got)
		}
	}
	g.await(t, "served locally", func(s gateway.Status) bool { return s.State == gateway.Local })
	if s := g.Status(); !strings.Contains(s.Reason, "sessions fail") {
		t.Errorf("reason %q", s.Reason)
	}
}
