package balancer_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"chatbridge/internal/balancer"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// backend is a server that says its name, and is ready, not ready, or silent.
type backend struct {
	*httptest.Server
	state atomic.Int32
}

const (
	ready = iota
	unready
	silent
)

func start(t *testing.T, name string) *backend {
	t.Helper()
	b := &backend{}
	release := make(chan struct{})
	b.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/readyz" {
			_, _ = io.WriteString(w, name)
			return
		}
		switch b.state.Load() {
		case unready:
			w.WriteHeader(http.StatusServiceUnavailable)
		case silent:
			select {
			case <-release:
			case <-r.Context().Done():
			}
		}
	}))
	t.Cleanup(func() { close(release); b.Close() })
	return b
}

func await(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%s does not come", what)
		}
	}
}

// open is a connection that stays; it returns who serves it.
func open(t *testing.T, addr string) (net.Conn, *bufio.Reader, string) {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	fmt.Fprintf(conn, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
	r := bufio.NewReader(conn)
	resp, err := http.ReadResponse(r, nil)
	if err != nil {
		return conn, r, ""
	}
	name, _ := io.ReadAll(resp.Body)
	return conn, r, string(name)
}

// TestConnectionsGoToWhoIsReady: in turn to all that are; one that is not keeps what it
// has, one that is silent loses it, and without any a connection is closed.
func TestConnectionsGoToWhoIsReady(t *testing.T) {
	t.Parallel()
	a, b := start(t, "a"), start(t, "b")
	lb, err := balancer.Listen(balancer.Options{
		Listen: "127.0.0.1:0", Servers: []string{a.Listener.Addr().String(), b.Listener.Addr().String()}, Interval: 10 * time.Millisecond,
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); _ = lb.Run(ctx) }()
	defer func() { cancel(); <-done }()

	await(t, "two that are ready", func() bool { return lb.Ready() == 2 })
	served := map[string]int{}
	for range 6 {
		_, _, name := open(t, lb.Addr())
		served[name]++
	}
	if served["a"] != 3 || served["b"] != 3 {
		t.Errorf("served %v, want three each", served)
	}

	var atA net.Conn
	var fromA *bufio.Reader
	for name := ""; name != "a"; {
		atA, fromA, name = open(t, lb.Addr())
	}
	a.state.Store(unready)
	await(t, "one that is ready", func() bool { return lb.Ready() == 1 })
	for range 3 {
		if _, _, name := open(t, lb.Addr()); name != "b" {
			t.Errorf("served by %q while a is not ready", name)
		}
	}
	fmt.Fprintf(atA, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
	resp, err := http.ReadResponse(fromA, nil)
	if err != nil {
		t.Fatalf("a connection of one that is merely not ready: %v", err)
	}
	_, _ = io.Copy(io.Discard, resp.Body)

	a.state.Store(silent)
	_ = atA.SetReadDeadline(time.Now().Add(20 * time.Second))
	if _, err := fromA.ReadByte(); err != io.EOF {
		t.Errorf("a connection of one that is silent: %v", err)
	}

	b.state.Store(unready)
	await(t, "none that is ready", func() bool { return lb.Ready() == 0 })
	if _, _, name := open(t, lb.Addr()); name != "" {
		t.Errorf("served by %q, and nobody is ready", name)
	}
}
