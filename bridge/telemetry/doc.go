// Package telemetry sends what /metrics shows, and traces of some transactions from their
// commit to their clients, to a collector by OpenTelemetry's protocol (otel.endpoint).
//
//	exporter.go  Exporter: its endpoint, which a reload changes, and what it counts
//	follow.go    which transactions are traced, and the queue of those that were timed
//	spans.go     the spans of one of them
//	otlp/        the library's exporters
//
// # What it may cost
//
// While there is no endpoint, one atomic load for each transaction. With one, a transaction
// a second is timed, in the long run; what was timed goes into a queue of 64, and past it is dropped
// and counted. A collector that is away or slow is waited for by the Exporter's own
// goroutines alone.
//
// # What is in it
//
// No content of messages, no ids of workspaces, conversations, messages or users: a trace
// has the transaction's position, and the names of its events.
//
// Metrics are read from a Prometheus registry, so that there is one list of them. The
// package registers nothing globally.
package telemetry
