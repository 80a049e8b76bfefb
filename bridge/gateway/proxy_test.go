package gateway_test

import (
	"bufio"
	"encoding/json"
	"io"
	"net/http"
	"net/netip"
	"strings"
	"testing"

	"chatbridge/internal/chatengine"
)

// inspected is what ChatEngine saw of a request.
type inspected struct {
	URL     string
	Headers map[string]string
}

func inspect(t *testing.T, url string, header http.Header) inspected {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header = header
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var seen inspected
	if err := json.NewDecoder(resp.Body).Decode(&seen); err != nil {
		t.Fatal(err)
	}
	return seen
}

func TestOtherPathsAreProxied(t *testing.T) {
	t.Parallel()
	engine := chatengine.New(t, chatengine.Options{})
	g := run(t, fast(engine.URL().String()))
	defer http.DefaultClient.CloseIdleConnections()

	t.Run("health", func(t *testing.T) {
		resp, err := http.Get(g.url + "/health")
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		if body, _ := io.ReadAll(resp.Body); resp.StatusCode != 200 || string(body) != "ok" {
			t.Fatalf("status %d, body %q", resp.StatusCode, body)
		}
	})
	t.Run("a path and query as they came", func(t *testing.T) {
		if seen := inspect(t, g.url+"/inspect?a=1;b=%2F&c=%20", nil); seen.URL != "/inspect?a=1;b=%2F&c=%20" {
			t.Fatalf("arrived as %s", seen.URL)
		}
		resp, err := http.Get(g.url + "/a%2Fb")
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != 404 {
			t.Fatalf("status %d", resp.StatusCode)
		}
	})
	t.Run("a stranger's X-Forwarded is replaced", func(t *testing.T) {
		h := inspect(t, g.url+"/inspect", http.Header{
			"X-Forwarded-For": {"9.9.9.9"}, "X-Forwarded-Proto": {"https"}, "Forwarded": {"for=9.9.9.9"}, "X-Custom": {"kept"},
		}).Headers
		want := map[string]string{
			"x-forwarded-for": "127.0.0.1", "x-forwarded-proto": "http", "forwarded": "", "x-custom": "kept",
			"x-forwarded-host": strings.TrimPrefix(g.url, "http://"), "host": engine.Addr(),
		}
		for name, value := range want {
			if h[name] != value {
				t.Errorf("%s: %q, want %q", name, h[name], value)
			}
		}
	})
	t.Run("a body streams both ways", func(t *testing.T) { streams(t, g.url+"/echo") })
}

var loopbackNetworks = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}

func TestTrustedProxysHeadersPass(t *testing.T) {
	t.Parallel()
	engine := chatengine.New(t, chatengine.Options{})
	o := fast(engine.URL().String())
	o.TrustedProxies = loopbackNetworks
	g := run(t, o)
	defer http.DefaultClient.CloseIdleConnections()
	h := inspect(t, g.url+"/inspect", http.Header{
		"X-Forwarded-For": {"9.9.9.9"}, "X-Forwarded-Proto": {"https"}, "X-Forwarded-Host": {"crm.example"},
	}).Headers
	if h["x-forwarded-for"] != "9.9.9.9, 127.0.0.1" || h["x-forwarded-proto"] != "https" || h["x-forwarded-host"] != "crm.example" {
		t.Fatalf("headers %v", h)
	}
}

// streams writes a line, reads it back, and only then writes the next.
func streams(t *testing.T, url string) {
	t.Helper()
	body, w := io.Pipe()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, body)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	r := bufio.NewReader(resp.Body)
	for _, line := range []string{"one\n", "two\n", "three\n"} {
		if _, err := io.WriteString(w, line); err != nil {
			t.Fatal(err)
		}
		if got, err := r.ReadString('\n'); err != nil || got != line {
			t.Fatalf("read %q, %v", got, err)
		}
	}
	w.Close()
	if rest, err := io.ReadAll(r); err != nil || len(rest) > 0 {
		t.Fatalf("rest %q, %v", rest, err)
	}
}

func TestOtherPathsWithoutChatEngine(t *testing.T) {
	t.Parallel()
	engine := chatengine.New(t, chatengine.Options{})
	g := run(t, fast(engine.URL().String()))
	defer http.DefaultClient.CloseIdleConnections()
	engine.Kill()
	resp, err := http.Get(g.url + "/health")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var answer struct{ Error, Reason string }
	if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil {
		t.Fatal(err)
	}
	if resp.StatusCode != http.StatusBadGateway || answer.Reason != "refused" || resp.Header.Get("Retry-After") == "" {
		t.Fatalf("status %d, answer %+v", resp.StatusCode, answer)
	}
}

func TestUpstreamWithAPath(t *testing.T) {
	t.Parallel()
	engine := chatengine.New(t, chatengine.Options{})
	o := fast(engine.URL().String())
	o.Upstream = engine.URL().JoinPath("base")
	g := run(t, o)
	defer http.DefaultClient.CloseIdleConnections()
	resp, err := http.Get(g.url + "/health")
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != 404 { // the stand-in has no /base/health
		t.Fatalf("status %d", resp.StatusCode)
	}
}
