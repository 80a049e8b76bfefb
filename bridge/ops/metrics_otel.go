package ops

// otelMetrics are those of what is sent to a collector.
func otelMetrics() []family {
	return when(func(s *Snapshot) bool { return s.OTel != nil },
		counters("otel_exports_total", "Requests to the collector, by signal and result.", []string{"signal", "result"},
			func(s *Snapshot, e emit) {
				e(float64(s.OTel.Metrics.Sent), "metrics", "ok")
				e(float64(s.OTel.Metrics.Failed), "metrics", "failed")
				e(float64(s.OTel.Traces.Sent), "traces", "ok")
				e(float64(s.OTel.Traces.Failed), "traces", "failed")
			}),
		counter("otel_traces_total", "Transactions that were timed to be traced.",
			func(s *Snapshot) uint64 { return s.OTel.Sampled }),
		counter("otel_traces_dropped_total", "Traces for which there was no room, or which the collector did not take.",
			func(s *Snapshot) uint64 { return s.OTel.Dropped }),
	)
}
