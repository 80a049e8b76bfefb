package check

import (
	"context"

	"chatbridge/bridge/telemetry/otlp"
)

// otel sends the collector a request without any metric.
func (r *run) otel(ctx context.Context) {
	endpoint := r.cfg.OTel.Endpoint
	if endpoint == "" {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, stepTimeout)
	defer cancel()
	if err := otlp.Probe(ctx, endpoint); err != nil {
		r.warn("otel.endpoint", "otel.endpoint", err.Error(), "no metrics or traces are sent; nothing else depends on it",
			"start the collector with its receiver of OTLP over HTTP, usually at port 4318 (4317 is for gRPC), or correct otel.endpoint; set OTEL_EXPORTER_OTLP_HEADERS where it asks for a token")
		return
	}
	r.ok("otel.ok", "otel.endpoint", "the collector takes metrics")
}
