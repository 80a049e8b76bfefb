package access_test

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"chatbridge/bridge/access"
)

func TestLoopback(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(access.Loopback(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusNoContent)
	})))
	defer server.Close()
	defer server.Client().CloseIdleConnections()
	for host, want := range map[string]int{
		"127.0.0.1:9090": 204, "127.0.0.1": 204, "localhost:9090": 204, "LOCALHOST": 204, "[::1]:9090": 204, "[::1]": 204, "10.1.2.3": 204, "bridge.localhost": 204,
		"evil.example": 403, "evil.example:9090": 403, "localhost.evil.example": 403, "127.0.0.1.evil.example": 403, "127.0.0.1.nip.io:9090": 403,
	} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL, nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Host = host
		res, err := server.Client().Do(req)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		if res.StatusCode != want {
			t.Errorf("%q: %d, want %d", host, res.StatusCode, want)
		}
	}
	// A probe in HTTP/1.0 names no host.
	c, err := new(net.Dialer).DialContext(t.Context(), "tcp", server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := io.WriteString(c, "GET /healthz HTTP/1.0\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	if line, err := bufio.NewReader(c).ReadString('\n'); err != nil || !strings.Contains(line, " 204 ") {
		t.Errorf("without a Host: %q, %v", line, err)
	}
	// Not by a loopback address: a recorder has none.
	w := httptest.NewRecorder()
	access.Loopback(http.NotFoundHandler()).ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "http://bridge.example/", nil))
	if w.Code != http.StatusNotFound {
		t.Errorf("%d", w.Code)
	}
}
