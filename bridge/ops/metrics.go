package ops

import (
	"log/slog"
	"net/http"
	"slices"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// Gatherer returns all metrics: the Snapshots that take returns, and the metrics of the Go
// runtime and the process under their usual names (go_, process_). take is called once for
// each gathering, from any goroutine.
func Gatherer(take func() Snapshot) prometheus.Gatherer {
	registry := prometheus.NewRegistry()
	registry.MustRegister(
		newCollector(take),
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
	)
	return registry
}

// metricsHandler serves /metrics.
func metricsHandler(take func() Snapshot, log *slog.Logger) http.Handler {
	return promhttp.HandlerFor(Gatherer(take), promhttp.HandlerOpts{
		ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelError),
		// One bad family must not hide the others while something is wrong.
		ErrorHandling: promhttp.ContinueOnError,
		// Scrapes come one at a time; more are a mistake or an attack.
		MaxRequestsInFlight: 4,
	})
}

// collector shows a Snapshot that it takes at each scrape.
type collector struct {
	take     func() Snapshot
	families []family
}

func newCollector(take func() Snapshot) *collector {
	c := &collector{take: take}
	for _, s := range sections() {
		c.families = append(c.families, s.families...)
	}
	return c
}

// sections are all metrics.
func sections() []section {
	return []section{
		{"The process", "", daemonMetrics()},
		{"The source", "", sourceMetrics()},
		{"Logical replication", "source.kind: postgres", postgresMetrics()},
		{"Realtime", "source.kind: realtime", realtimeMetrics()},
		{"The ledger", "ledger.file", ledgerMetrics()},
		{"Events and their mapping", "", slices.Concat(eventMetrics(), mappingMetrics())},
		{"Clients", "", clientMetrics()},
		{"Tokens", "", authMetrics()},
		{"Transports", "", transportMetrics()},
		{"Catching up", "", slices.Concat(replayMetrics(), farMetrics())},
		{"ChatEngine's REST interface", "rest.enabled", restMetrics()},
		{"Sending", "", sendMetrics()},
		{"Several bridges as one", "cluster.name", clusterMetrics()},
		{"The gateway", "gateway.upstream", gatewayMetrics()},
		{"Kept webhooks", "spool.dir", spoolMetrics()},
		{"What is sent to a collector", "otel.endpoint", otelMetrics()},
	}
}

// Describe implements prometheus.Collector.
func (c *collector) Describe(ch chan<- *prometheus.Desc) {
	for _, f := range c.families {
		ch <- f.desc
	}
}

// Collect implements prometheus.Collector.
func (c *collector) Collect(ch chan<- prometheus.Metric) {
	s := c.take()
	for _, f := range c.families {
		f.collect(&s, ch)
	}
}
