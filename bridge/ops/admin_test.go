package ops

import (
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// TestAdminToken: where it is set, everything asks for it, and the probes of who does
// not show it say no more than on the public listener. Without one nothing can be
// changed on an address that others reach.
func TestAdminToken(t *testing.T) {
	t.Parallel()
	const token = "the-operators-token"
	health := Health{State: StateBlocked, Reason: `role "crm" at db.internal:5432: password wrong`, Remedy: "ALTER ROLE crm", Since: time.Now()}
	gateway := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusOK) })
	start := func(token string, local bool) *httptest.Server {
		server := httptest.NewServer(Admin{
			Snapshot:  func() Snapshot { return Snapshot{Source: health} },
			Readiness: func() Readiness { return ReadinessOf(health, time.Second, time.Now()) },
			Gateway:   gateway, Console: gateway, Token: token, Local: local, Logger: slog.New(slog.DiscardHandler),
		}.Handler())
		t.Cleanup(server.Close)
		return server
	}
	ask := func(server *httptest.Server, method, path string, show func(*http.Request)) (int, string) {
		t.Helper()
		r, err := http.NewRequestWithContext(t.Context(), method, server.URL+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		show(r)
		res, err := server.Client().Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		body, err := io.ReadAll(res.Body)
		if err != nil {
			t.Fatal(err)
		}
		if asks := res.Header.Get("WWW-Authenticate") != ""; asks != (res.StatusCode == http.StatusUnauthorized) {
			t.Errorf("%s %s: %s asks for a password: %v", method, path, res.Status, asks)
		}
		return res.StatusCode, string(body)
	}
	ways := map[string]func(*http.Request){
		"nothing":        func(*http.Request) {},
		"another token":  func(r *http.Request) { r.Header.Set("Authorization", "Bearer "+token+"x") },
		"no token":       func(r *http.Request) { r.Header.Set("Authorization", "Bearer ") },
		"as the user":    func(r *http.Request) { r.SetBasicAuth(token, "") },
		"in the query":   func(r *http.Request) { r.URL.RawQuery = "token=" + token },
		"the token":      func(r *http.Request) { r.Header.Set("Authorization", "Bearer "+token) },
		"as a password":  func(r *http.Request) { r.SetBasicAuth("anybody", token) },
		"without a user": func(r *http.Request) { r.SetBasicAuth("", token) },
	}
	right := []string{"the token", "as a password", "without a user"}
	secured := start(token, true)
	for name, show := range ways {
		may := strings.Contains(strings.Join(right, ","), name)
		for _, request := range []string{"GET /metrics", "GET /status", "GET /", "GET /gateway", "POST /gateway", "GET /nowhere"} {
			method, path, _ := strings.Cut(request, " ")
			code, _ := ask(secured, method, path, show)
			if (code == http.StatusUnauthorized) == may {
				t.Errorf("%s with %s: %d", request, name, code)
			}
		}
		code, body := ask(secured, http.MethodGet, "/readyz", show)
		if code != http.StatusServiceUnavailable || strings.Contains(body, "db.internal") != may || strings.Contains(body, "ALTER") != may {
			t.Errorf("/readyz with %s: %d %s", name, code, body)
		}
	}
	nothing := ways["nothing"]
	for name, tt := range map[string]struct {
		server *httptest.Server
		post   int
	}{
		"this machine's": {start("", true), http.StatusOK}, "others reach it": {start("", false), http.StatusForbidden},
	} {
		for _, path := range []string{"/metrics", "/status", "/", "/gateway"} {
			if code, _ := ask(tt.server, http.MethodGet, path, nothing); code != http.StatusOK {
				t.Errorf("%s, no token: GET %s: %d", name, path, code)
			}
		}
		if code, _ := ask(tt.server, http.MethodPost, "/gateway", nothing); code != tt.post {
			t.Errorf("%s, no token: POST /gateway: %d, want %d", name, code, tt.post)
		}
	}
}

// TestPublicReadiness: the state, and nothing of hosts, users or errors, whatever
// the source's state.
func TestPublicReadiness(t *testing.T) {
	t.Parallel()
	now := time.Now()
	const told = "role crm at db.internal"
	for name, h := range map[string]Health{
		"flows":        {State: StateStreaming, Flowing: true, Reason: told, Remedy: told},
		"never flowed": {State: StateBlocked, Reason: told, Remedy: told},
		"for little":   {State: StateRetrying, Reason: told, Remedy: told, FlowedUntil: now},
		"for long":     {State: StateRetrying, Reason: told, Remedy: told, FlowedUntil: now.Add(-time.Hour)},
		"stands by":    {State: StateStandby, Reason: told, Remedy: told},
	} {
		full := ReadinessOf(h, time.Minute, now)
		mux := http.NewServeMux()
		PublicProbes(mux, func() Readiness { return full })
		w := httptest.NewRecorder()
		mux.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/readyz", nil))
		body := w.Body.String()
		if strings.Contains(body, told) {
			t.Errorf("%s: %s", name, body)
		}
		if !strings.Contains(body, `"state": "`+string(h.State)) || !strings.Contains(body, `"status": "`+string(full.Status)) || strings.Contains(body, `"reason": ""`) {
			t.Errorf("%s does not say the state: %s", name, body)
		}
		if full.Source.Reason != told {
			t.Errorf("%s: the full one was changed", name)
		}
	}
	if p := Stopping().Public(); p.Reason == "" || p.Status != ReadyStopping {
		t.Errorf("%+v", p)
	}
}
