package gateway_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/gorilla/websocket"

	"chatbridge/bridge/gateway"
	"chatbridge/internal/baseline"
)

// passedOn are the ways by which something gets to ChatEngine.
var passedOn = map[string]string{
	"another path":           "GET /api/chat/messages HTTP/1.1\r\nHost: x\r\n",
	"a POST":                 "POST /webhooks/whatsapp HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n",
	"a session":              "GET /api/ws/?EIO=4&transport=polling HTTP/1.1\r\nHost: x\r\n",
	"a poll":                 "GET /api/ws/?EIO=4&transport=polling&sid=x HTTP/1.1\r\nHost: x\r\n",
	"a WebSocket":            "GET /api/ws/?EIO=4&transport=websocket HTTP/1.1\r\n" + upgradeHead,
	"an upgrade":             "GET /api/ws/?EIO=4&transport=websocket&sid=x HTTP/1.1\r\n" + upgradeHead,
	"another WebSocket":      "GET /other HTTP/1.1\r\n" + upgradeHead,
	"below Socket.IO's path": "GET /api/ws/x?EIO=4&transport=polling HTTP/1.1\r\nHost: x\r\n",
}

// TestAddressesAndOriginsHoldInFront: whoever may not connect to the bridge does
// not get to ChatEngine through it either.
func TestAddressesAndOriginsHoldInFront(t *testing.T) {
	engine := newRecorder(t, emptyAnswer)
	o := fast(engine.url)
	o.TrustedProxies = loopbackNetworks
	o.AdmitAddress = func(r *http.Request) bool { return r.Header.Get("X-Forwarded-For") == "192.0.2.1" }
	o.AdmitOrigin = func(r *http.Request) bool {
		origin := r.Header.Get("Origin")
		return origin == "" || origin == "https://crm.example"
	}
	g := run(t, o)
	before := baseline.Take(t)
	for name, request := range passedOn {
		for _, tt := range []struct {
			from, origin, status string
			passes               bool
		}{
			{"192.0.2.1", "", "HTTP/1.1 200", true},
			{"192.0.2.1", "https://crm.example", "HTTP/1.1 200", true},
			{"192.0.2.2", "", "HTTP/1.1 403", false},
			{"192.0.2.2", "https://crm.example", "HTTP/1.1 403", false},
			{"192.0.2.1", "https://evil.example", "HTTP/1.1 403", false},
			{"192.0.2.1", "null", "HTTP/1.1 403", false},
		} {
			head := "X-Forwarded-For: " + tt.from + "\r\n"
			if tt.origin != "" {
				head += "Origin: " + tt.origin + "\r\n"
			}
			if !strings.Contains(request, "Connection:") {
				head += "Connection: close\r\n"
			}
			answer := raw(t, g.url, request+head+"\r\n")
			if line, _ := engine.last(); (line != "") != tt.passes || !strings.HasPrefix(answer, tt.status) {
				t.Errorf("%s from %s of %q: arrived as %q, answered %.40q", name, tt.from, tt.origin, line, answer)
			}
		}
	}
	if s := g.Stats(); s.Refused["address"] == 0 || s.Refused["origin"] == 0 || s.Switches["local"] > 0 {
		t.Errorf("stats %+v", s)
	}
	before.Await(t)
}

// hanging is a ChatEngine that leaves requests unanswered until it is told to
// answer; a WebSocket it opens at once.
type hanging struct {
	*httptest.Server
	waiting atomic.Int64
	answer  chan struct{}
}

func newHanging(t *testing.T) *hanging {
	h := &hanging{answer: make(chan struct{})}
	engine := newScripted(t)
	h.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, "/slow") {
			h.waiting.Add(1)
			<-h.answer
			return
		}
		engine.Config.Handler.ServeHTTP(w, r)
	}))
	t.Cleanup(h.Close)
	return h
}

// TestLimitsHoldInFront bounds what one address, and all, have under way.
func TestLimitsHoldInFront(t *testing.T) {
	engine := newHanging(t)
	o := fast(engine.URL)
	o.CatchUp = 0
	o.TrustedProxies = loopbackNetworks
	o.Limits.Connections, o.Limits.ConnectionsPerAddress = 5, 3
	g := run(t, o)
	before := baseline.Take(t)
	get := func(path, from string) int {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, g.url+path, nil)
		if err != nil {
			t.Error(err)
			return 0
		}
		req.Header.Set("X-Forwarded-For", from)
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Error(err)
			return 0
		}
		defer resp.Body.Close()
		_, _ = io.Copy(io.Discard, resp.Body)
		return resp.StatusCode
	}
	// Two requests and a WebSocket of one network of IPv6, which is one address.
	var slow sync.WaitGroup
	for i := range 2 {
		slow.Go(func() {
			if status := get("/slow", fmt.Sprintf("2001:db8::%d", i)); status != http.StatusOK {
				t.Errorf("a request within the limits was answered %d", status)
			}
		})
	}
	awaitFor(t, "both at ChatEngine", func() bool { return engine.waiting.Load() == 2 })
	conn, _, err := websocket.DefaultDialer.Dial("ws"+strings.TrimPrefix(g.url, "http")+"/api/ws/?EIO=4&transport=websocket", http.Header{"X-Forwarded-For": {"2001:db8::9"}})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	for _, path := range []string{"/health", "/api/ws/?EIO=4&transport=polling", "/api/ws/?EIO=4&transport=polling&sid=x"} {
		if status := get(path, "2001:db8::ffff:1"); status != http.StatusServiceUnavailable {
			t.Errorf("%s of an address with three under way was answered %d", path, status)
		}
	}
	// Another address is not concerned, until all have five.
	for range 2 {
		slow.Go(func() {
			if status := get("/slow", "192.0.2.1"); status != http.StatusOK {
				t.Errorf("a request within the limits was answered %d", status)
			}
		})
	}
	awaitFor(t, "these at ChatEngine too", func() bool { return engine.waiting.Load() == 4 })
	if status := get("/other", "192.0.2.2"); status != http.StatusServiceUnavailable {
		t.Errorf("a request past the limit of all was answered %d", status)
	}
	g.SetLimits(gateway.Limits{Connections: 6, ConnectionsPerAddress: 3, WriteTimeout: o.Limits.WriteTimeout})
	if status := get("/other", "192.0.2.2"); status == http.StatusServiceUnavailable {
		t.Error("the limit is not raised")
	}
	close(engine.answer)
	slow.Wait()
	conn.Close()
	awaitFor(t, "the WebSocket's end", func() bool { return g.Stats().Websockets == 0 })
	if status := get("/other", "2001:db8::1"); status == http.StatusServiceUnavailable {
		t.Error("what has ended still counts")
	}
	if s := g.Stats(); s.Refused["connections_per_address"] != 3 || s.Refused["connections"] != 1 || s.Switches["local"] > 0 {
		t.Errorf("refused %v", s.Refused)
	}
	http.DefaultClient.CloseIdleConnections()
	engine.CloseClientConnections() // the gateway keeps some for later
	before.Await(t)
}

// TestAFloodOfHandshakesLeavesOthersTheirs.
func TestAFloodOfHandshakesLeavesOthersTheirs(t *testing.T) {
	engine := newRecorder(t, emptyAnswer)
	o := fast(engine.url)
	o.TrustedProxies = loopbackNetworks
	o.Limits.HandshakesPerSecond, o.Limits.HandshakesPerAddress = 1000, 2
	g := run(t, o)
	before := baseline.Take(t)
	open := func(from string) string {
		return raw(t, g.url, "GET /api/ws/?EIO=4&transport=polling HTTP/1.1\r\nHost: x\r\nConnection: close\r\nX-Forwarded-For: "+from+"\r\n\r\n")
	}
	refused := 0
	for range 50 {
		if strings.HasPrefix(open("192.0.2.9"), "HTTP/1.1 503") {
			refused++
		}
	}
	if answer := open("192.0.2.1"); !strings.HasPrefix(answer, "HTTP/1.1 200") {
		t.Errorf("beside a flood, a client was answered %q", answer)
	}
	if got := g.Stats().Refused["handshakes_per_second"]; refused == 0 || got != uint64(refused) {
		t.Errorf("%d of 50 handshakes of one address were refused, %d counted", refused, got)
	}
	before.Await(t)
}

// TestPayloadHoldsInFront of a Socket.IO request; other paths take media.
func TestPayloadHoldsInFront(t *testing.T) {
	t.Parallel()
	engine := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Get("sid") == "bridge-health-probe" {
			w.WriteHeader(http.StatusBadRequest)
			fmt.Fprint(w, `{"code":1,"message":"Session ID unknown"}`)
			return
		}
		_, _ = io.Copy(io.Discard, r.Body)
	}))
	t.Cleanup(engine.Close)
	o := fast(engine.URL)
	o.Limits.Payload = 1000
	g := run(t, o)
	for _, tt := range []struct {
		path   string
		size   int
		status int
	}{
		{"/api/ws/?EIO=4&transport=polling&sid=x", 1000, http.StatusOK},
		{"/api/ws/?EIO=4&transport=polling&sid=x", 1001, http.StatusRequestEntityTooLarge},
		{"/api/ws/?EIO=4&transport=polling", 100_000, http.StatusRequestEntityTooLarge},
		{"/api/chat/attachments", 100_000, http.StatusOK},
	} {
		for _, chunked := range []bool{false, true} {
			var body io.Reader = strings.NewReader(strings.Repeat("x", tt.size))
			if chunked {
				body = io.MultiReader(body)
			}
			resp, err := http.Post(g.url+tt.path, "text/plain", body)
			if err != nil {
				t.Fatal(err)
			}
			resp.Body.Close()
			if resp.StatusCode != tt.status {
				t.Errorf("%d bytes to %s, chunked %v, were answered %d, want %d", tt.size, tt.path, chunked, resp.StatusCode, tt.status)
			}
		}
	}
	http.DefaultClient.CloseIdleConnections()
}
