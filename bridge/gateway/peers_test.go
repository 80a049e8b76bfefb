package gateway_test

import (
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"chatbridge/bridge/gateway"
)

// setup is a running gateway.
type setup struct {
	*gateway.Gateway
	url string
}

// run starts a gateway on a loopback port, and ends it with the test.
func run(t testing.TB, o gateway.Options) setup {
	t.Helper()
	if o.Local == nil {
		o.Local = http.NotFoundHandler()
	}
	if o.Knows == nil {
		o.Knows = func(string) bool { return false }
	}
	if o.Shed == nil {
		o.Shed = func(int) int { return 0 }
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.NewTextHandler(testWriter{t}, nil))
	}
	g, err := gateway.New(o)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	done := make(chan error, 1)
	go func() { done <- g.Run(ctx) }()
	server := httptest.NewServer(g)
	t.Cleanup(func() {
		stop, over := context.WithTimeout(context.WithoutCancel(t.Context()), 10*time.Second)
		defer over()
		if err := g.Shutdown(stop, 100, time.Millisecond); err != nil {
			t.Error("shut down the gateway:", err)
		}
		cancel()
		if err := <-done; err != nil {
			t.Error("run the gateway:", err)
		}
		server.Close()
	})
	return setup{g, server.URL}
}

// fast are options with short times, for an upstream on loopback.
func fast(upstream string) gateway.Options {
	o := gateway.DefaultOptions()
	o.Upstream, _ = url.Parse(upstream)
	// A busy machine delays an answer by a second. Where a peer hangs, the test has
	// impatient set these.
	o.Interval, o.Timeout = 50*time.Millisecond, 10*time.Second
	o.HealthyFor = 300 * time.Millisecond
	o.HandshakeTimeout = 10 * time.Second
	o.BatchInterval = 50 * time.Millisecond
	o.CatchUp, o.CatchUpWait, o.CatchUpLate = 300*time.Millisecond, 2*time.Second, 5*time.Second
	return o
}

// impatient makes o give a ChatEngine up that does not answer within a second.
func impatient(o gateway.Options) gateway.Options {
	o.Timeout, o.HandshakeTimeout = time.Second, time.Second
	return o
}

type testWriter struct{ t testing.TB }

func (w testWriter) Write(p []byte) (int, error) {
	w.t.Log(strings.TrimSpace(string(p)))
	return len(p), nil
}

// await waits until the gateway's status is as wanted.
func (s setup) await(t testing.TB, what string, ok func(gateway.Status) bool) {
	t.Helper()
	awaitFor(t, what, func() bool { return ok(s.Status()) })
}

// awaitFor polls: what the tests wait for shows in counters and processes of
// others, where there is no event to wait on.
func awaitFor(t testing.TB, what string, ok func() bool) {
	t.Helper()
	deadline := time.Now().Add(20 * time.Second)
	for !ok() {
		if time.Now().After(deadline) {
			t.Fatalf("timed out: %s", what)
		}
		time.Sleep(10 * time.Millisecond)
	}
}
