package telemetry_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"

	"chatbridge/bridge/pipeline"
	"chatbridge/bridge/telemetry"
	"chatbridge/bridge/telemetry/otlp"
	"chatbridge/internal/collector"
	"chatbridge/mapping/contract"
	"chatbridge/socketio/engineio"
	"chatbridge/source"
)

func TestMain(m *testing.M) {
	// The library's connections are closed with it, a moment later.
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("net/http.(*persistConn).readLoop"), goleak.IgnoreAnyFunction("net/http.(*persistConn).writeLoop"))
}

func exporter(t *testing.T, endpoint string) *telemetry.Exporter {
	t.Helper()
	e, err := telemetry.New(endpoint, telemetry.Options{Version: "test", Metrics: prometheus.NewRegistry(), Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// passage is one that is complete.
func passage() *pipeline.Passage {
	now := time.Now()
	return &pipeline.Passage{
		Tx: source.Tx{Commit: 7, Time: now.Add(-time.Second)}, Received: now, All: 1,
		Events: []pipeline.PassageEvent{{Kind: contract.Message, Mapped: now, Logged: now, Written: new(engineio.Watch)}},
	}
}

// TestNothingIsTracedWithoutAnEndpoint, and five transactions at once with one.
func TestNothingIsTracedWithoutAnEndpoint(t *testing.T) {
	e := exporter(t, "")
	if e.Follower().Follows(source.Tx{}) || e.Stats() != nil {
		t.Error("traces without an endpoint")
	}
	if err := e.SetEndpoint("http://127.0.0.1:1"); err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		for i := range 20 {
			if got := e.Follower().Follows(source.Tx{}); got != (i < 5) {
				t.Errorf("transaction %d at once: %v", i, got)
			}
		}
		time.Sleep(time.Second)
		if first, second := e.Follower().Follows(source.Tx{}), e.Follower().Follows(source.Tx{}); !first || second {
			t.Errorf("a second later: %v, %v", first, second)
		}
	})
	if err := e.SetEndpoint(""); err != nil || e.Stats() != nil {
		t.Errorf("turned off: %v, %+v", err, e.Stats())
	}
}

// TestPassedNeverWaits: nobody takes what was timed, and what has no room is counted.
func TestPassedNeverWaits(t *testing.T) {
	e := exporter(t, "http://127.0.0.1:1")
	for range 100 {
		e.Follower().Passed(passage())
	}
	if s := e.Stats(); s.Sampled != 100 || s.Dropped != 100-64 {
		t.Errorf("%d sampled, %d dropped", s.Sampled, s.Dropped)
	}
}

// TestTracesThatAreRefusedAreCounted, and those after them are sent.
func TestTracesThatAreRefusedAreCounted(t *testing.T) {
	c := collector.Start(t)
	c.Refuse(true)
	e := exporter(t, c.URL)
	ctx, cancel := context.WithCancel(t.Context())
	ran := make(chan error, 1)
	go func() { ran <- e.Run(ctx) }()
	e.Follower().Passed(passage())
	c.Await("a request", func(taken *collector.Taken) bool { return taken.Requests > 0 })
	for began := time.Now(); e.Stats().Traces.Failed == 0; time.Sleep(time.Millisecond) {
		if time.Since(began) > 30*time.Second {
			t.Fatal("the refusal is not counted")
		}
	}
	if s := e.Stats(); s.Dropped != 1 || s.Traces.Error == "" || s.Traces.Sent != 0 {
		t.Errorf("%+v", s)
	}
	c.Refuse(false)
	e.Follower().Passed(passage())
	taken := c.Await("a trace", func(taken *collector.Taken) bool { return len(taken.Spans) >= 5 })
	for _, s := range taken.Spans {
		if s.Name == "write" {
			t.Errorf("nobody was sent it: %v", s)
		}
	}
	cancel()
	if err := <-ran; !errors.Is(err, context.Canceled) {
		t.Errorf("Run returned %v", err)
	}
}

// TestAnExportThatTheEndBreaksOff is no failure of the collector's: what was measured last is
// sent once more.
func TestAnExportThatTheEndBreaksOff(t *testing.T) {
	t.Setenv("OTEL_METRIC_EXPORT_INTERVAL", "10")
	arrived := make(chan struct{}, 2)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		arrived <- struct{}{}
		if len(arrived) == 1 {
			<-r.Context().Done()
		}
	}))
	t.Cleanup(server.Close)
	var logged strings.Builder // read after Run has returned
	e, err := telemetry.New(server.URL, telemetry.Options{Version: "test", Metrics: prometheus.NewRegistry(), Logger: slog.New(slog.NewTextHandler(&logged, nil))})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ran := make(chan error, 1)
	go func() { ran <- e.Run(ctx) }()
	for len(arrived) == 0 {
		time.Sleep(time.Millisecond)
	}
	cancel()
	<-ran
	if s := e.Stats().Metrics; s.Failed != 0 || s.Sent != 1 || logged.Len() > 0 {
		t.Errorf("%+v, logged: %s", s, logged.String())
	}
}

// TestEndpoints: what an address may be, and what a probe says of one.
func TestEndpoints(t *testing.T) {
	for _, wrong := range []string{"127.0.0.1:4318", "grpc://h:4317", "http://", "http://user:secret@h", "http://h?x=1"} {
		if err := otlp.Valid(wrong); err == nil || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: %v", wrong, err)
		}
	}
	c := collector.Start(t)
	if err := otlp.Probe(t.Context(), c.URL+"/"); err != nil {
		t.Error(err)
	}
	c.Refuse(true)
	if err := otlp.Probe(t.Context(), c.URL); err == nil {
		t.Error("a collector that refuses is fine")
	}
}
