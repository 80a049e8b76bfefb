// Package otlp makes the exporters of OpenTelemetry's protocol, over HTTP, for an endpoint
// as otel.endpoint names it, and tries one.
//
// Headers, such as a token, and all else that OpenTelemetry specifies are read from its
// variables (OTEL_EXPORTER_OTLP_HEADERS, _CERTIFICATE, _COMPRESSION, _TIMEOUT) by the library;
// the address is not.
//
//	otlp.go  Valid, Metrics, Traces, Probe
//
// The package keeps no state and starts no goroutine; the exporters have their own.
package otlp
