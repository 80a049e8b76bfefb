package gateway_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"chatbridge/bridge/gateway"

	"github.com/gorilla/websocket"
)

// ring is gateways each of which has the next one for its ChatEngine, the last
// one the first. passes counts the requests that reach one of them.
type ring struct {
	gateways []setup
	passes   atomic.Int64
}

// newRing makes a ring of n. strip takes the gateways' mark off, as a proxy on
// the way might.
func newRing(t *testing.T, n int, strip bool) *ring {
	t.Helper()
	r := &ring{gateways: make([]setup, n)}
	listeners := make([]net.Listener, n)
	for i := range listeners {
		var err error
		if listeners[i], err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
			t.Fatal(err)
		}
	}
	for i, listener := range listeners {
		o := fast("http://" + listeners[(i+1)%n].Addr().String())
		o.CatchUp = 0
		local := newOwnServer()
		o.Local, o.Knows = local, local.knows
		r.gateways[i] = run(t, o)
		server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
			// Without this the test would take all descriptors where it fails.
			if r.passes.Add(1) > 2000 {
				http.Error(w, "for ever", http.StatusInternalServerError)
				return
			}
			if strip {
				req.Header.Del("X-Bridge-Hop")
			}
			r.gateways[i].ServeHTTP(w, req)
		})}
		done := make(chan struct{})
		go func() { defer close(done); _ = server.Serve(listener) }()
		t.Cleanup(func() { server.Close(); <-done })
		r.gateways[i].url = "http://" + listener.Addr().String()
	}
	return r
}

// ownServer is a bridge's own Socket.IO server, as far as a handshake goes.
type ownServer struct {
	mu   sync.Mutex
	sids map[string]bool
}

func newOwnServer() *ownServer { return &ownServer{sids: make(map[string]bool)} }

func (s *ownServer) knows(sid string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.sids[sid]
}

func (s *ownServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Query().Get("sid") != "" {
		w.WriteHeader(http.StatusBadRequest)
		fmt.Fprint(w, `{"code":1,"message":"Session ID unknown"}`)
		return
	}
	s.mu.Lock()
	sid := fmt.Sprintf("br-%p-%d", s, len(s.sids))
	s.sids[sid] = true
	s.mu.Unlock()
	open := fmt.Sprintf(`0{"sid":%q}`, sid)
	if !websocket.IsWebSocketUpgrade(r) {
		fmt.Fprint(w, open)
		return
	}
	conn, err := new(websocket.Upgrader).Upgrade(w, r, nil)
	if err != nil {
		return
	}
	defer conn.Close()
	if conn.WriteMessage(websocket.TextMessage, []byte(open)) == nil {
		_, _, _ = conn.ReadMessage() // until the other side closes
	}
}

// TestAGatewayThatLeadsToItself refuses to pass anything on, and serves Socket.IO
// clients itself.
func TestAGatewayThatLeadsToItself(t *testing.T) {
	t.Parallel()
	for _, n := range []int{1, 2, 3} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			t.Parallel()
			r := newRing(t, n, false)
			g := r.gateways[0]
			resp, err := http.Get(g.url + "/api/chat/messages")
			if err != nil {
				t.Fatal(err)
			}
			body, _ := io.ReadAll(resp.Body)
			resp.Body.Close()
			var answer struct{ Message string }
			if err := json.Unmarshal(body, &answer); err != nil || resp.StatusCode != http.StatusLoopDetected || !strings.Contains(answer.Message, "gateway.upstream") {
				t.Errorf("another path was answered %s %s", resp.Status, body)
			}
			for range 3 {
				resp, err := http.Get(g.url + "/api/ws/?EIO=4&transport=polling")
				if err != nil {
					t.Fatal(err)
				}
				body, _ := io.ReadAll(resp.Body)
				resp.Body.Close()
				if !strings.HasPrefix(string(body), `0{"sid":"br-`) {
					t.Errorf("a session was answered %s %s", resp.Status, body)
				}
			}
			awaitFor(t, "somebody serves itself", func() bool {
				for _, g := range r.gateways {
					if s := g.Status(); s.State == gateway.Local && strings.Contains(s.Reason, "back to this bridge") {
						return true
					}
				}
				return false
			})
			if passes := r.passes.Load(); passes > 1500 {
				t.Errorf("%d requests went round", passes)
			}
			if g.Stats().Refused["loop"] == 0 {
				t.Error("nothing was counted")
			}
			http.DefaultClient.CloseIdleConnections()
		})
	}
}

// TestOwnSessionsAreRecognised where the mark does not come back: ChatEngine's
// session id is one that the bridge has given out.
func TestOwnSessionsAreRecognised(t *testing.T) {
	t.Parallel()
	local := newOwnServer()
	var g setup
	// What is reached at ChatEngine's address is the bridge, without its gateway.
	behind := httptest.NewServer(local)
	t.Cleanup(behind.Close)
	o := fast(behind.URL)
	o.CatchUp, o.Local, o.Knows = 0, local, local.knows
	g = run(t, o)
	g.await(t, "a good probe", func(s gateway.Status) bool { return s.Healthy })
	for range o.FailAfter {
		conn, _, err := websocket.DefaultDialer.Dial("ws"+strings.TrimPrefix(g.url, "http")+"/api/ws/?EIO=4&transport=websocket", nil)
		if err != nil {
			t.Fatal(err)
		}
		conn.Close()
	}
	g.await(t, "served locally", func(s gateway.Status) bool { return s.State == gateway.Local })
	if s := g.Stats(); !strings.Contains(s.Status.Reason, "back to this bridge") || s.Rescued < uint64(o.FailAfter) {
		t.Errorf("stats %+v", s)
	}
}

func TestLeadsTo(t *testing.T) {
	for _, tt := range []struct {
		upstream, listen string
		want             bool
	}{
		{"http://127.0.0.1:8080", ":8080", true},
		{"http://localhost:8080", ":8080", true},
		{"http://localhost:8080/base", "127.0.0.1:8080", true},
		{"ws://127.0.0.9:8080", "[::]:8080", true},
		{"http://[::1]:8080", "[::]:8080", true},
		{"http://0.0.0.0:8080", ":8080", true},
		{"http://127.0.0.1", ":80", true},
		{"https://127.0.0.1", ":443", true},
		{"http://127.0.0.1:8080", "localhost:8080", true},
		{"http://127.0.0.1:8080", ":8081", false},
		{"http://127.0.0.1:8080", "127.0.0.2:8080", false},
		{"http://192.0.2.7:8080", ":8080", false},
		{"http://127.0.0.1:8080", "192.0.2.7:8080", false},
		{"http://127.0.0.1:8080", ":0", false},
		{"http://nobody.invalid:8080", ":8080", false},
		{"http://127.0.0.1:8080", "", false},
	} {
		upstream, err := url.Parse(tt.upstream)
		if err != nil {
			t.Fatal(err)
		}
		if got := gateway.LeadsTo(context.WithoutCancel(t.Context()), upstream, tt.listen); got != tt.want {
			t.Errorf("%s leads to %q: %v", tt.upstream, tt.listen, got)
		}
	}
}
