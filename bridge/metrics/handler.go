package metrics

import (
	"log/slog"
	"net/http"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// Handler serves /metrics: the Snapshots that take returns, and the metrics of
// the Go runtime and the process under their usual names (go_, process_).
// take is called once for each scrape, from any goroutine.
func Handler(take func() Snapshot, log *slog.Logger) http.Handler {
	registry := prometheus.NewRegistry()
	registry.MustRegister(
		NewCollector(take),
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
	)
	return promhttp.HandlerFor(registry, promhttp.HandlerOpts{
		ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelError),
		// One bad family must not hide the others while something is wrong.
		ErrorHandling: promhttp.ContinueOnError,
		// Scrapes come one at a time; more are a mistake or an attack.
		MaxRequestsInFlight: 4,
	})
}
