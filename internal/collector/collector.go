// Package collector is a collector of OpenTelemetry for tests: it takes metrics and traces
// by OTLP over HTTP, in protobuf, and keeps what it took.
package collector

import (
	"bytes"
	"compress/gzip"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	metricspb "go.opentelemetry.io/proto/otlp/collector/metrics/v1"
	tracepb "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	"go.opentelemetry.io/proto/otlp/metrics/v1"
	resourcepb "go.opentelemetry.io/proto/otlp/resource/v1"
	spanpb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"
)

// waitLimit bounds each wait; only a failure reaches it.
const waitLimit = 30 * time.Second

// Collector takes what it is sent.
type Collector struct {
	// URL is its address.
	URL string

	t      testing.TB
	server *httptest.Server

	mu       sync.Mutex
	refusing bool
	headers  []http.Header
	metrics  []*v1.Metric
	spans    []*spanpb.Span
	about    *resourcepb.Resource
	requests int
	raw      []byte
	more     chan struct{} // closed at the next request
}

// Start returns a Collector that runs until the test ends.
func Start(t testing.TB) *Collector {
	c := &Collector{t: t, more: make(chan struct{})}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /v1/metrics", func(w http.ResponseWriter, r *http.Request) {
		var request metricspb.ExportMetricsServiceRequest
		c.take(w, r, &request, &metricspb.ExportMetricsServiceResponse{}, func() {
			for _, of := range request.ResourceMetrics {
				c.about = of.Resource
				for _, scope := range of.ScopeMetrics {
					c.metrics = append(c.metrics, scope.Metrics...)
				}
			}
		})
	})
	mux.HandleFunc("POST /v1/traces", func(w http.ResponseWriter, r *http.Request) {
		var request tracepb.ExportTraceServiceRequest
		c.take(w, r, &request, &tracepb.ExportTraceServiceResponse{}, func() {
			for _, of := range request.ResourceSpans {
				c.about = of.Resource
				for _, scope := range of.ScopeSpans {
					c.spans = append(c.spans, scope.Spans...)
				}
			}
		})
	})
	c.server = httptest.NewServer(mux)
	c.URL = c.server.URL
	t.Cleanup(c.server.Close)
	return c
}

// take reads a request and answers it as the protocol asks.
func (c *Collector) take(w http.ResponseWriter, r *http.Request, request, response proto.Message, keep func()) {
	data, err := io.ReadAll(r.Body)
	if err != nil {
		return // the exporter has ended, or sends to another collector now
	}
	if r.Header.Get("Content-Encoding") == "gzip" {
		data, err = unzip(data)
	}
	if err == nil {
		err = proto.Unmarshal(data, request)
	}
	if err != nil || r.Header.Get("Content-Type") != "application/x-protobuf" {
		c.t.Errorf("%s: %v, %v", r.URL, r.Header, err)
		http.Error(w, "not OTLP in protobuf", http.StatusBadRequest)
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.requests++
	close(c.more)
	c.more = make(chan struct{})
	if c.refusing {
		http.Error(w, "not now", http.StatusServiceUnavailable)
		return
	}
	c.headers = append(c.headers, r.Header)
	c.raw = append(c.raw, data...)
	keep()
	answer, err := proto.Marshal(response)
	if err != nil {
		c.t.Error(err)
	}
	w.Header().Set("Content-Type", "application/x-protobuf")
	_, _ = w.Write(answer)
}

func unzip(data []byte) ([]byte, error) {
	r, err := gzip.NewReader(bytes.NewReader(data))
	if err != nil {
		return nil, err
	}
	return io.ReadAll(r)
}

// Refuse has it answer 503 from now on, or not any more.
func (c *Collector) Refuse(on bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.refusing = on
}

// Taken is what was taken so far.
type Taken struct {
	// Requests counts all, also those that were refused.
	Requests int
	Headers  []http.Header
	Metrics  []*v1.Metric
	Spans    []*spanpb.Span
	Resource *resourcepb.Resource
	// Raw are the requests' bodies, one after the other.
	Raw []byte
}

// Await waits until what was taken is enough, and returns it.
func (c *Collector) Await(what string, enough func(*Taken) bool) *Taken {
	c.t.Helper()
	deadline := time.After(waitLimit)
	for {
		taken, more := c.taken()
		if enough(taken) {
			return taken
		}
		select {
		case <-more:
		case <-deadline:
			c.t.Fatalf("waited in vain for %s: %d requests, %d metrics, %d spans", what, taken.Requests, len(taken.Metrics), len(taken.Spans))
		}
	}
}

// Taken returns what was taken so far.
func (c *Collector) Taken() *Taken {
	taken, _ := c.taken()
	return taken
}

func (c *Collector) taken() (taken *Taken, more <-chan struct{}) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return &Taken{c.requests, c.headers, c.metrics, c.spans, c.about, c.raw}, c.more
}

// Metric returns the latest of a name, nil for none.
func (t *Taken) Metric(name string) *v1.Metric {
	for i := len(t.Metrics) - 1; i >= 0; i-- {
		if t.Metrics[i].Name == name {
			return t.Metrics[i]
		}
	}
	return nil
}
