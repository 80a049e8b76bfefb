package bridge

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
)

// startScarce is a server that may have n descriptors more than are in use, of
// which 32 are its reserve.
func startScarce(t *testing.T, n int) (d *descriptors, address string) {
	t.Helper()
	probe, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	fd := -1
	if raw, err := probe.(*net.TCPListener).SyscallConn(); err == nil {
		_ = raw.Control(func(n uintptr) { fd = int(n) })
	}
	d = &descriptors{log: slog.New(slog.DiscardHandler), limit: fd + n}
	s := &httpServer{descriptors: d, returned: make(chan struct{}), fresh: make(map[net.Conn]struct{})}
	s.Handler = d.admit(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	s.ConnState, s.ConnContext = s.track, d.mark
	done := make(chan struct{})
	go func() { defer close(done); _ = s.Serve(probe) }()
	t.Cleanup(func() { _ = s.Close(); <-done })
	return d, probe.Addr().String()
}

// TestAReserveOfDescriptors: clients that use up the descriptors leave some for
// the probes, and some that nobody gets.
func TestAReserveOfDescriptors(t *testing.T) {
	const free = 40
	d, address := startScarce(t, free+32)
	for range free / 2 {
		c, err := net.Dial("tcp", address) // takes two: one at each end
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
	}
	get := func(path string) int {
		client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+address+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		res, err := client.Do(req)
		if err != nil {
			return 0
		}
		defer res.Body.Close()
		return res.StatusCode
	}
	if code := get("/healthz"); code != http.StatusOK {
		t.Errorf("/healthz on a connection of the reserve: %d", code)
	}
	if code := get("/api/ws/"); code != http.StatusServiceUnavailable {
		t.Errorf("a client on a connection of the reserve: %d", code)
	}
	for range 20 {
		c, err := net.Dial("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
	}
	if code := get("/healthz"); code != 0 {
		t.Errorf("a connection past the reserve's first half was served: %d", code)
	}
	if n := d.refused.Load(); n < 2 {
		t.Errorf("%d refusals were counted", n)
	}
}

// TestDescriptorsOfOtherConnections: what has no descriptor is not refused.
func TestDescriptorsOfOtherConnections(t *testing.T) {
	d := newDescriptors(slog.New(slog.DiscardHandler))
	if d.limit == 0 {
		t.Error("the process's limit is not known")
	}
	a, b := net.Pipe()
	defer a.Close()
	defer b.Close()
	if ctx := d.mark(context.Background(), a); ctx.Value(scarceKey{}) != nil || d.spent(a) {
		t.Error("a connection in memory counts as one too many")
	}
	w := httptest.NewRecorder()
	d.admit(http.NotFoundHandler()).ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/x", nil))
	if w.Code != http.StatusNotFound {
		t.Errorf("a request of an ordinary connection: %d", w.Code)
	}
}
