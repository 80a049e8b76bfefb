package ops

import (
	"bytes"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"chatbridge/bridge/access"
)

// TestWrongTokens: wrong values of admin.token are counted, logged once per burst and slowed
// by client address, whoever else has that address: the right token passes, and so do probes
// and who shows none.
func TestWrongTokens(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const token = "the-operators-token"
		var log bytes.Buffer
		wrong := new(WrongTokens)
		page := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusOK) })
		handler := Admin{
			Snapshot:  func() Snapshot { return Snapshot{AdminTokensRefused: wrong.Refused()} },
			Readiness: func() Readiness { return ReadinessOf(Health{Flowing: true}, time.Second, time.Now()) },
			Console:   page, SignIn: page, Token: token, Wrong: wrong, Local: true,
			Trusted: access.Addresses{netip.MustParsePrefix("192.0.2.1/32")}, Logger: slog.New(slog.NewTextHandler(&log, nil)),
		}.Handler()
		ask := func(peer, client, path, shown string) *httptest.ResponseRecorder {
			r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, nil)
			r.RemoteAddr = peer + ":4711"
			if client != "" {
				r.Header.Set("X-Forwarded-For", client)
			}
			if shown != "" {
				r.Header.Set("Authorization", "Bearer "+shown)
			}
			w := httptest.NewRecorder()
			handler.ServeHTTP(w, r)
			return w
		}
		const attacker, operator, proxy = "198.51.100.7", "198.51.100.8", "192.0.2.1"
		for i := range wrongPerSecond {
			if w := ask(attacker, "", "/status", token+"x"); w.Code != http.StatusUnauthorized {
				t.Fatalf("wrong token %d: %d", i, w.Code)
			}
		}
		if w := ask(attacker, "", "/status", "x"); w.Code != http.StatusTooManyRequests || w.Header().Get("Retry-After") == "" {
			t.Errorf("one too many: %d %v", w.Code, w.Header())
		}
		// As fast as the answers come.
		for range 3 * wrongPerSecond {
			ask(attacker, "", "/metrics", strings.Repeat("x", 100))
		}
		for path, want := range map[string]int{"/healthz": http.StatusOK, "/readyz": http.StatusOK, "/metrics": http.StatusTooManyRequests, "/": http.StatusTooManyRequests} {
			for wrong.shares.Take(netip.MustParseAddr(attacker)) {
				continue
			}
			if w := ask(attacker, "", path, "y"); w.Code != want {
				t.Errorf("%s with a wrong token of an address that is slowed: %d, want %d", path, w.Code, want)
			}
		}
		for path, want := range map[string]int{"/healthz": http.StatusOK, "/": http.StatusOK, "/metrics": http.StatusUnauthorized} {
			if w := ask(attacker, "", path, ""); w.Code != want {
				t.Errorf("%s without a token of an address that is slowed: %d, want %d", path, w.Code, want)
			}
		}
		for _, path := range []string{"/metrics", "/status", "/", "/readyz"} {
			began := time.Now()
			if w := ask(attacker, "", path, token); w.Code != http.StatusOK || time.Since(began) != 0 {
				t.Errorf("%s with the token of an address that is slowed: %d after %v", path, w.Code, time.Since(began))
			}
		}
		if w := ask(operator, "", "/status", "an old token"); w.Code != http.StatusUnauthorized {
			t.Errorf("another address: %d", w.Code)
		}
		// Behind a proxy that is trusted, it is the client's address that counts.
		for range 2 * wrongPerSecond {
			ask(proxy, attacker, "/status", "x")
		}
		if w := ask(proxy, operator, "/status", "x"); w.Code != http.StatusUnauthorized {
			t.Errorf("another client of the proxy: %d", w.Code)
		}
		if n := strings.Count(log.String(), "a wrong admin.token"); n != 1 || !strings.Contains(log.String(), attacker) || strings.Contains(log.String(), "xxx") {
			t.Errorf("%d lines in one burst:\n%s", n, log.String())
		}
		before := wrong.Refused()
		time.Sleep(wrongBurst)
		ask(operator, "", "/metrics", "an old token")
		if n := strings.Count(log.String(), "a wrong admin.token"); n != 2 {
			t.Errorf("%d lines after two bursts:\n%s", n, log.String())
		}
		// One that comes again and again, as a scrape does, is told of from time to time.
		for range 45 {
			time.Sleep(15 * time.Second)
			ask(operator, "", "/metrics", "an old token")
		}
		if n := strings.Count(log.String(), "a wrong admin.token"); n != 3 || !strings.Contains(log.String(), "wrong=40") {
			t.Errorf("%d lines after ten minutes more:\n%s", n, log.String())
		}
		if n := wrong.Refused(); n != before+46 {
			t.Errorf("%d were counted, %d before", n, before)
		}
		for path, want := range map[string]string{"/status": `"tokensRefused": `, "/metrics": "bridge_admin_tokens_refused_total "} {
			if body := ask(operator, "", path, token).Body.String(); !strings.Contains(body, want) {
				t.Errorf("%s does not have %s", path, want)
			}
		}
	})
}
