package otlp

import (
	"context"
	"errors"
	"fmt"
	"net/url"

	"go.opentelemetry.io/otel/exporters/otlp/otlpmetric/otlpmetrichttp"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"

	"chatbridge/internal/httpclient"
)

// Example is an endpoint, for messages.
const Example = "a collector's address for OTLP over HTTP, such as http://127.0.0.1:4318"

var errEndpoint = errors.New("is not " + Example)

// signal returns the address of one signal below an endpoint.
func signal(endpoint, name string) (string, error) {
	u, err := url.Parse(endpoint)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return "", errEndpoint // without the parse error, which repeats the address
	}
	return u.JoinPath("v1", name).String(), nil
}

// Valid returns an error that says what an endpoint has to be, nil where it is that.
func Valid(endpoint string) error {
	_, err := signal(endpoint, "metrics")
	return err
}

// Metrics returns an exporter of metrics. Nothing is sent twice: the next ones have all that
// these had.
func Metrics(ctx context.Context, endpoint string) (sdkmetric.Exporter, error) {
	to, err := signal(endpoint, "metrics")
	if err != nil {
		return nil, err
	}
	return otlpmetrichttp.New(ctx, otlpmetrichttp.WithEndpointURL(to), otlpmetrichttp.WithProxy(httpclient.Proxy), otlpmetrichttp.WithRetry(otlpmetrichttp.RetryConfig{Enabled: false}))
}

// Traces returns an exporter of spans. What fails is not sent again.
func Traces(ctx context.Context, endpoint string) (sdktrace.SpanExporter, error) {
	to, err := signal(endpoint, "traces")
	if err != nil {
		return nil, err
	}
	return otlptracehttp.New(ctx, otlptracehttp.WithEndpointURL(to), otlptracehttp.WithProxy(httpclient.Proxy), otlptracehttp.WithRetry(otlptracehttp.RetryConfig{Enabled: false}))
}

// Probe sends a request without any metric, as a collector takes it.
func Probe(ctx context.Context, endpoint string) (err error) {
	e, err := Metrics(ctx, endpoint)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, e.Shutdown(ctx)) }()
	if err := e.Export(ctx, &metricdata.ResourceMetrics{Resource: resource.Empty()}); err != nil {
		return fmt.Errorf("send to %s: %w", endpoint, err)
	}
	return nil
}
