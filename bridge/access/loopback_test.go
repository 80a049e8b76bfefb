package access_test

import (
	"net/http"
	"net/http/httptest"
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
	// Not by a loopback address: a recorder has none.
	w := httptest.NewRecorder()
	access.Loopback(http.NotFoundHandler()).ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "http://bridge.example/", nil))
	if w.Code != http.StatusNotFound {
		t.Errorf("%d", w.Code)
	}
}
