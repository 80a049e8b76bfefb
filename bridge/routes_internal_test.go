package bridge

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"chatbridge/bridge/ops"
	"chatbridge/configs"
	"chatbridge/internal/ports"
)

// publicServer serves what a Daemon serves to the public, without running it.
func publicServer(t *testing.T, env ...string) *httptest.Server {
	t.Helper()
	cfg, err := configs.Load(configs.Sources{Complete: true, Env: append([]string{
		"CHATENGINE_JWT_SECRET=a-secret-of-the-tests", "DATABASE_URL=postgres://nobody@127.0.0.1:1/none",
		"BRIDGE_CORS_ORIGINS=https://crm.example",
	}, env...)})
	if err != nil {
		t.Fatal(err)
	}
	d, err := New(cfg, Options{Build: ops.Build{Version: "test"}, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(d.Close)
	server := httptest.NewServer(d.publicHandler())
	t.Cleanup(server.Close)
	return server
}

// request sends a request of a page of origin, and follows no redirect.
func request(t *testing.T, server *httptest.Server, method, target, origin string, header ...string) (*http.Response, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, server.URL, nil)
	if err != nil {
		t.Fatal(err)
	}
	path, query, _ := strings.Cut(target, "?")
	r.URL.Path, r.URL.RawPath, r.URL.RawQuery = path, path, query
	if origin != "" {
		r.Header.Set("Origin", origin)
	}
	for _, name := range header {
		r.Header.Set(name, "POST")
	}
	res, err := server.Client().Transport.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res, string(body)
}

// TestNoRedirects: a WebSocket does not follow one, a webhook's POST loses its
// body, and what is another path for ChatEngine is another path.
func TestNoRedirects(t *testing.T) {
	var seen string
	engine := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { seen = r.RequestURI }))
	t.Cleanup(engine.Close)
	behind := publicServer(t, "CHATENGINE_URL="+engine.URL)
	alone := publicServer(t)
	for _, target := range []string{"//a", "/./a", "/a/../b", "//healthz", "/healthz/", "/webhooks//", "//api/ws/?EIO=4"} {
		if res, _ := request(t, behind, http.MethodPost, target, ""); res.StatusCode != http.StatusOK || seen != target {
			t.Errorf("%s was answered %s, and arrived as %s", target, res.Status, seen)
		}
		if res, _ := request(t, alone, http.MethodPost, target, ""); res.StatusCode != http.StatusNotFound {
			t.Errorf("without a gateway, %s was answered %s", target, res.Status)
		}
	}
}

// TestPagesReadTheBridgesAnswers: a browser shows a page of cors.origins what
// the bridge says, rather than a failed connection.
func TestPagesReadTheBridgesAnswers(t *testing.T) {
	down := publicServer(t, "CHATENGINE_URL=http://127.0.0.1:1")
	barred := publicServer(t, "CHATENGINE_URL=http://127.0.0.1:1", "BRIDGE_ALLOW_ADDRESSES=192.0.2.0/24")
	alone := publicServer(t)
	const page = "https://crm.example"
	for name, tt := range map[string]struct {
		server         *httptest.Server
		method, target string
		status         int
		message        string
	}{
		"ChatEngine is away":                 {down, http.MethodGet, "/api/chat/messages", http.StatusBadGateway, "ChatEngine does not answer"},
		"ChatEngine is away, a POST":         {down, http.MethodPost, "/api/chat/messages", http.StatusBadGateway, "ChatEngine does not answer"},
		"ChatEngine is away, a session":      {down, http.MethodPost, "/api/ws/?EIO=4&transport=polling", http.StatusBadGateway, "ChatEngine does not answer"},
		"the address is not admitted":        {barred, http.MethodGet, "/api/chat/messages", http.StatusForbidden, "address"},
		"the address, of a session":          {barred, http.MethodGet, "/api/ws/?EIO=4&transport=polling", http.StatusForbidden, "address"},
		"another path without a gateway":     {alone, http.MethodGet, "/api/chat/messages", http.StatusNotFound, "nothing"},
		"a session that is not known":        {alone, http.MethodGet, "/api/ws/?EIO=4&transport=polling&sid=x", http.StatusBadRequest, "Session ID unknown"},
		"below the Socket.IO path":           {alone, http.MethodGet, "/api/ws/x?EIO=4&transport=polling&sid=x", http.StatusBadRequest, "Session ID unknown"},
		"not the Socket.IO path":             {alone, http.MethodGet, "/api/wsx?EIO=4&transport=polling&sid=x", http.StatusNotFound, "nothing"},
		"the probe of a source that is away": {alone, http.MethodGet, "/readyz", 0, ""},
		"the probe of the process":           {alone, http.MethodGet, "/healthz", http.StatusOK, ""},
	} {
		res, body := request(t, tt.server, tt.method, tt.target, page)
		var answer struct{ Message string }
		if err := json.Unmarshal([]byte(body), &answer); err != nil || !strings.Contains(answer.Message, tt.message) {
			t.Errorf("%s: answered %q, want JSON with the message %q", name, body, tt.message)
		}
		if tt.status != 0 && res.StatusCode != tt.status {
			t.Errorf("%s: %s, want %d", name, res.Status, tt.status)
		}
		readable := func(res *http.Response, want string) {
			t.Helper()
			got := res.Header.Values("Access-Control-Allow-Origin")
			if strings.Join(got, " ") != want || !strings.Contains(strings.Join(res.Header.Values("Vary"), ","), "Origin") {
				t.Errorf("%s: the answer can be read by %q, want %q", name, got, want)
			}
		}
		readable(res, page)
		res, _ = request(t, tt.server, http.MethodOptions, tt.target, page, "Access-Control-Request-Method")
		readable(res, page)
		if res.StatusCode/100 != 2 || !strings.Contains(res.Header.Get("Access-Control-Allow-Methods"), tt.method) {
			t.Errorf("%s: the preflight was answered %s", name, res.Status)
		}
		other, _ := request(t, tt.server, tt.method, tt.target, "https://evil.example")
		readable(other, "")
		if plain, _ := request(t, tt.server, tt.method, tt.target, ""); plain.Header.Get("Access-Control-Allow-Origin") != "" {
			t.Errorf("%s: a program got CORS headers", name)
		}
	}
}

// TestABridgeDoesNotStartInFrontOfItself: it would pass requests on to itself
// until its descriptors are gone.
func TestABridgeDoesNotStartInFrontOfItself(t *testing.T) {
	for _, upstream := range []string{"http://127.0.0.1:%s", "http://localhost:%s", "http://[::1]:%s/base"} {
		addr, err := ports.Free()
		if err != nil {
			t.Fatal(err)
		}
		_, port, _ := net.SplitHostPort(addr)
		cfg, err := configs.Load(configs.Sources{Complete: true, Env: []string{
			"CHATENGINE_JWT_SECRET=a-secret-of-the-tests", "DATABASE_URL=postgres://nobody@127.0.0.1:1/none",
			"BRIDGE_LISTEN=:" + port, "BRIDGE_ADMIN_LISTEN=", "CHATENGINE_URL=" + fmt.Sprintf(upstream, port),
		}})
		if err != nil {
			t.Fatal(err)
		}
		d, err := New(cfg, Options{Logger: slog.New(slog.DiscardHandler)})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		err = d.Run(ctx)
		cancel()
		var config *configs.Error
		if !errors.As(err, &config) || !strings.Contains(err.Error(), "gateway.upstream") || !strings.Contains(err.Error(), "itself") {
			t.Errorf("with %s it ended with %v", cfg.Gateway.Upstream, err)
		}
	}
}

// TestWhatIsPassedOnIsAdmittedFirst: allow.addresses, cors.origins and the limits
// hold in front of ChatEngine.
func TestWhatIsPassedOnIsAdmittedFirst(t *testing.T) {
	seen, slow := make(chan string, 100), make(chan struct{})
	engine := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		seen <- r.RequestURI
		if r.URL.Path == "/slow" {
			<-slow
		}
	}))
	t.Cleanup(engine.Close)
	reached := func() int {
		n := 0
		for len(seen) > 0 {
			<-seen
			n++
		}
		return n
	}
	targets := []string{"/api/chat/messages", "/api/ws/?EIO=4&transport=polling", "/api/ws/?EIO=4&transport=polling&sid=x"}
	barred := publicServer(t, "CHATENGINE_URL="+engine.URL, "BRIDGE_ALLOW_ADDRESSES=192.0.2.0/24")
	open := publicServer(t, "CHATENGINE_URL="+engine.URL)
	for _, target := range targets {
		for origin, want := range map[string]int{"": 200, "https://crm.example": 200, open.URL: 200, "https://evil.example": 403, "null": 403} {
			if res, _ := request(t, open, http.MethodGet, target, origin); res.StatusCode != want || (reached() > 0) != (want == 200) {
				t.Errorf("%s of a page of %q was answered %s, want %d", target, origin, res.Status, want)
			}
		}
		if res, _ := request(t, barred, http.MethodGet, target, ""); res.StatusCode != http.StatusForbidden || reached() != 0 {
			t.Errorf("%s of an address that is not admitted was answered %s", target, res.Status)
		}
	}
	full := publicServer(t, "CHATENGINE_URL="+engine.URL, "BRIDGE_LIMITS_CONNECTIONS_PER_ADDRESS=1")
	done := make(chan struct{})
	go func() { defer close(done); request(t, full, http.MethodGet, "/slow", "") }()
	<-seen
	for _, target := range targets {
		if res, _ := request(t, full, http.MethodGet, target, ""); res.StatusCode != http.StatusServiceUnavailable || reached() != 0 {
			t.Errorf("%s past the limit of its address was answered %s", target, res.Status)
		}
	}
	close(slow)
	<-done
}
