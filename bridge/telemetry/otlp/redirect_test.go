package otlp_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"chatbridge/bridge/telemetry/otlp"
)

// TestTheTokenGoesToNobodyElse: the headers of OTEL_EXPORTER_OTLP_HEADERS, of whatever name, go
// to no address that the endpoint redirects to.
func TestTheTokenGoesToNobodyElse(t *testing.T) {
	t.Setenv("OTEL_EXPORTER_OTLP_HEADERS", "x-api-key=secret")
	other := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		t.Errorf("the other host got the token %q", r.Header.Get("X-Api-Key"))
	}))
	defer other.Close()
	moved := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("X-Api-Key") == "" {
			t.Error("the endpoint got no token")
		}
		http.Redirect(w, r, other.URL+r.URL.Path, http.StatusTemporaryRedirect)
	}))
	defer moved.Close()
	if err := otlp.Probe(t.Context(), moved.URL); err == nil || !strings.Contains(err.Error(), "redirects to "+other.URL) {
		t.Errorf("a redirect: %v", err)
	}
}
