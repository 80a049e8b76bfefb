package ops

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"chatbridge/bridge/access"
)

// lockedBuffer is a log that is read while others write.
type lockedBuffer struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (b *lockedBuffer) Write(text []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(text)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

func (b *lockedBuffer) Reset() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.text.Reset()
}

// TestWrongTokens: wrong values of admin.token are counted, logged once per burst and slowed,
// each by client address, whoever else has that address: the right token passes, and so do probes
// and who shows none.
func TestWrongTokens(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const token = "the-operators-token"
		var log lockedBuffer
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
		if n := strings.Count(log.String(), "a wrong admin.token"); n != 2 || !strings.Contains(log.String(), attacker) || !strings.Contains(log.String(), operator) || strings.Contains(log.String(), "xxx") {
			t.Errorf("%d lines in a burst of each of two:\n%s", n, log.String())
		}
		before := wrong.Refused()
		time.Sleep(wrongBurst)
		ask(operator, "", "/metrics", "an old token")
		if n := strings.Count(log.String(), "a wrong admin.token"); n != 3 {
			t.Errorf("%d lines after another burst:\n%s", n, log.String())
		}
		// One that comes again and again, as a scrape does, is told of from time to time.
		for range 45 {
			time.Sleep(15 * time.Second)
			ask(operator, "", "/metrics", "an old token")
		}
		if n := strings.Count(log.String(), "a wrong admin.token"); n != 4 || !strings.Contains(log.String(), "wrong=40") {
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

// TestWrongTokensOfManyAddresses: an address that always has an old token hides no other one;
// lines and memory are bounded whoever comes; and every wrong token is in some line.
func TestWrongTokensOfManyAddresses(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var text lockedBuffer
		log := slog.New(slog.NewTextHandler(&text, nil))
		w := new(WrongTokens)
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() { ended <- w.Run(ctx, log) }()
		show := func(client string, times int) {
			for range times {
				r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/metrics", nil)
				r.RemoteAddr = netip.AddrPortFrom(netip.MustParseAddr(client), 4711).String()
				w.admits(r, nil, log)
			}
		}
		lines := func(of string) (n int) {
			for line := range strings.Lines(text.String()) {
				if strings.Contains(line, of) {
					n++
				}
			}
			return n
		}
		for range 8 { // the scrape
			show("10.0.0.5", 1)
			time.Sleep(15 * time.Second)
		}
		show("198.51.100.7", 50)
		if lines("client=10.0.0.5") != 1 || lines("client=198.51.100.7 path=/metrics wrong=1") != 1 || w.Bursts() != 2 {
			t.Errorf("%d bursts:\n%s", w.Bursts(), text.String())
		}
		time.Sleep(2*wrongBurst + time.Second)
		if lines("client=198.51.100.7 wrong=49") != 1 || lines("client=10.0.0.5 wrong=7") != 1 {
			t.Errorf("what was not said is not told at the end:\n%s", text.String())
		}
		text.Reset()
		for i := range 3 * maxBursts {
			show(fmt.Sprintf("10.1.%d.%d", i/250, i%250), 1)
		}
		synctest.Wait()
		if n := lines("client="); n != maxWrongLines || len(w.bursts) > maxBursts {
			t.Errorf("%d lines in a minute, %d addresses remembered", n, len(w.bursts))
		}
		show("2001:db8::1", 1)
		stop()
		if err := <-ended; err != nil || len(w.bursts) != 0 {
			t.Errorf("%v; %d are remembered", err, len(w.bursts))
		}
		if want := fmt.Sprintf("wrong=%d", 3*maxBursts+1-maxWrongLines); lines(want) != 1 {
			t.Errorf("no line has %s:\n%s", want, text.String())
		}
	})
}
