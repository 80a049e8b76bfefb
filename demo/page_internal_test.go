package demo

import (
	"net/http"
	"net/http/httptest"
	"testing"
)

// TestPageIsForThisMachine: whatever address the demo listens at, only this machine, by a
// loopback name, is shown the page.
func TestPageIsForThisMachine(t *testing.T) {
	p := &page{
		control: "c", tenants: []tenant{{Number: 1}, {Number: 2}},
		next: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) }),
	}
	for _, c := range []struct {
		peer, host, path string
		want             int
	}{
		{"127.0.0.1:5000", "127.0.0.1:8080", "/", http.StatusOK},
		{"[::1]:5000", "[::1]:8080", "/", http.StatusOK},
		{"[::1]:5000", "[::1]", "/demo/app.js", http.StatusOK},
		{"[::ffff:127.0.0.1]:5000", "LOCALHOST", "/", http.StatusOK},
		{"192.0.2.1:5000", "127.0.0.1:8080", "/", http.StatusForbidden},
		{"192.0.2.1:5000", "127.0.0.1:8080", "/demo/do/kill", http.StatusForbidden},
		{"127.0.0.1:5000", "localhost.evil.example", "/", http.StatusForbidden},
		{"127.0.0.1:5000", "", "/", http.StatusForbidden},
		{"192.0.2.1:5000", "chat.example", "/api/ws/", http.StatusTeapot},
	} {
		r := httptest.NewRequest(http.MethodGet, c.path, nil)
		r.RemoteAddr, r.Host = c.peer, c.host
		w := httptest.NewRecorder()
		p.ServeHTTP(w, r)
		if w.Code != c.want {
			t.Errorf("%s of %s from %s: status %d, want %d", c.path, c.host, c.peer, w.Code, c.want)
		}
	}
}
