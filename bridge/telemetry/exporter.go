package telemetry

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	prometheusbridge "go.opentelemetry.io/contrib/bridges/prometheus"
	"go.opentelemetry.io/otel/attribute"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"

	"github.com/prometheus/client_golang/prometheus"

	"chatbridge/bridge/pipeline"
	"chatbridge/bridge/telemetry/otlp"
)

// Options is what an Exporter is made with.
type Options struct {
	// Version is the program's.
	Version string
	// Metrics are gathered at each export, from a goroutine of the Exporter's.
	Metrics prometheus.Gatherer
	// Logger gets a line when sending begins to fail and when it works again.
	Logger *slog.Logger
}

// Exporter sends metrics and traces while it has an endpoint. Run it; all else is safe for
// concurrent use.
type Exporter struct {
	opts     Options
	follower *follower

	mu       sync.Mutex
	endpoint string
	changed  chan struct{} // closed when endpoint changes
	stats    Stats
}

// Stats is what an Exporter did since its start.
type Stats struct {
	// Endpoint is where it sends to.
	Endpoint string
	// Metrics and Traces are exports of either, with what became of them.
	Metrics, Traces Exports
	// Sampled counts the transactions that were timed, Dropped those of them for which
	// there was no room, or that could not be sent.
	Sampled, Dropped uint64
}

// Exports counts the exports of one signal.
type Exports struct {
	Sent, Failed uint64
	// Last is when one last succeeded; Error is why the latest did not, "" where it did.
	Last  time.Time
	Error string
}

// New returns an Exporter that sends to endpoint, nowhere where that is "".
func New(endpoint string, opts Options) (*Exporter, error) {
	e := &Exporter{opts: opts, follower: newFollower(), changed: make(chan struct{})}
	return e, e.SetEndpoint(endpoint)
}

// Follower chooses the transactions that are traced: it is the pipeline's.
func (e *Exporter) Follower() pipeline.Follower { return e.follower }

// SetEndpoint has e send to another endpoint from now on, nowhere where it is "". The error
// is one of the address; then all is as it was.
func (e *Exporter) SetEndpoint(endpoint string) error {
	if endpoint != "" {
		if err := otlp.Valid(endpoint); err != nil {
			return err
		}
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if endpoint == e.endpoint {
		return nil
	}
	e.endpoint = endpoint
	e.stats.Metrics.Error, e.stats.Traces.Error = "", ""
	close(e.changed)
	e.changed = make(chan struct{})
	e.follower.on.Store(endpoint != "")
	return nil
}

// Stats returns what was sent so far, nil while there is no endpoint.
func (e *Exporter) Stats() *Stats {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.endpoint == "" {
		return nil
	}
	s := e.stats
	s.Endpoint, s.Sampled, s.Dropped = e.endpoint, e.follower.sampled.Load(), s.Dropped+e.follower.dropped.Load()
	return &s
}

// Run sends until ctx ends, then what was measured last, for a second at most. It returns
// ctx's error.
func (e *Exporter) Run(ctx context.Context) error {
	for {
		e.mu.Lock()
		endpoint, changed := e.endpoint, e.changed
		e.mu.Unlock()
		if endpoint != "" {
			if err := e.sendTo(ctx, endpoint, changed); err != nil && ctx.Err() == nil {
				// What the variables name, such as a certificate, cannot be used.
				e.exported("metrics", &e.stats.Metrics, err)
				e.exported("traces", &e.stats.Traces, err)
			}
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-changed:
		}
	}
}

// lastWords is for how long the end waits for the collector.
const lastWords = time.Second

// sendTo sends to one endpoint until ctx ends or it changes, which are no errors.
func (e *Exporter) sendTo(ctx context.Context, endpoint string, changed <-chan struct{}) error {
	about, err := resource.New(
		ctx, resource.WithTelemetrySDK(), resource.WithHost(),
		resource.WithAttributes(attribute.String("service.name", "chatbridge"), attribute.String("service.version", e.opts.Version)),
		resource.WithFromEnv(), // last: it is the operator's
	)
	if err != nil {
		e.opts.Logger.Warn("not all that describes this process is told to the collector", "error", err)
	}
	metrics, err := otlp.Metrics(ctx, endpoint)
	if err != nil {
		return err
	}
	traces, err := otlp.Traces(ctx, endpoint)
	if err != nil {
		return err
	}
	// It has a goroutine of its own, until its Shutdown returns.
	reader := sdkmetric.NewPeriodicReader(
		counted{metrics, e},
		sdkmetric.WithProducer(prometheusbridge.NewMetricProducer(prometheusbridge.WithGatherer(e.opts.Metrics))),
	)
	provider := sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader), sdkmetric.WithResource(about))
	t := e.newTracer(traces, about)
	t.run(ctx, changed)

	ending, cancel := context.WithTimeout(context.WithoutCancel(ctx), lastWords)
	defer cancel()
	_ = provider.Shutdown(ending) // what fails is counted by counted
	_ = t.provider.Shutdown(ending)
	_ = traces.Shutdown(ending)
	return nil
}

// tracer makes and sends the spans, on one goroutine.
type tracer struct {
	e        *Exporter
	exporter sdktrace.SpanExporter
	gathered *gathered
	provider *sdktrace.TracerProvider
	waiting  []*pipeline.Passage // for their clients
}

func (e *Exporter) newTracer(exporter sdktrace.SpanExporter, about *resource.Resource) *tracer {
	g := &gathered{}
	return &tracer{
		e: e, exporter: exporter, gathered: g,
		provider: sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(g), sdktrace.WithResource(about)),
	}
}

// pollInterval is how often waiting traces are checked for completion.
const pollInterval = 250 * time.Millisecond

// run sends traces until ctx ends or the endpoint changes.
func (t *tracer) run(ctx context.Context, changed <-chan struct{}) {
	ticker := time.NewTicker(pollInterval)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-changed:
			return
		case p := <-t.e.follower.timed:
			t.waiting = append(t.waiting, p)
		case now := <-ticker.C:
			t.send(ctx, now)
		}
	}
}

// send sends the traces that are complete, or have waited for long enough.
func (t *tracer) send(ctx context.Context, now time.Time) {
	waiting, n := t.waiting[:0], uint64(0)
	for _, p := range t.waiting {
		if !complete(p) && now.Sub(p.Received) < traceTimeout {
			waiting = append(waiting, p)
			continue
		}
		emit(t.provider.Tracer("chatbridge"), p)
		n++
	}
	clear(t.waiting[len(waiting):])
	t.waiting = waiting
	spans := t.gathered.take()
	if len(spans) == 0 {
		return // also where OTEL_TRACES_SAMPLER wants none
	}
	err := t.exporter.ExportSpans(ctx, spans)
	if ctx.Err() != nil {
		return
	}
	t.e.mu.Lock()
	if err != nil {
		t.e.stats.Dropped += n
	}
	t.e.mu.Unlock()
	t.e.exported("traces", &t.e.stats.Traces, err)
}

// counted is an exporter of metrics whose results are counted, and kept from the library's
// global handler of errors.
type counted struct {
	sdkmetric.Exporter
	e *Exporter
}

// Export does not count one that the end breaks off: the provider's Shutdown exports once more.
func (c counted) Export(ctx context.Context, m *metricdata.ResourceMetrics) error {
	err := c.Exporter.Export(ctx, m)
	if err == nil || !errors.Is(ctx.Err(), context.Canceled) {
		c.e.exported("metrics", &c.e.stats.Metrics, err)
	}
	return nil
}

// exported counts an export of a signal, and logs when they begin to fail and work again.
func (e *Exporter) exported(signal string, of *Exports, err error) {
	e.mu.Lock()
	failed, endpoint := of.Error != "", e.endpoint
	if err != nil {
		of.Failed++
		of.Error = err.Error()
	} else {
		of.Sent++
		of.Last, of.Error = time.Now(), ""
	}
	e.mu.Unlock()
	switch {
	case err != nil && !failed:
		e.opts.Logger.Warn("the collector does not take what is sent; all else goes on", "signal", signal, "endpoint", endpoint, "error", err)
	case err == nil && failed:
		e.opts.Logger.Info("the collector takes what is sent again", "signal", signal, "endpoint", endpoint)
	}
}
