package main

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// bridge gateway shows the token that the daemon asks for.
func TestGatewayShowsTheToken(t *testing.T) {
	clean(t)
	admin := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer the-operators-token" {
			http.Error(w, "admin.token is asked for", http.StatusUnauthorized)
			return
		}
		_, _ = w.Write([]byte(`{"state":"local","mode":"hold-local","reason":"held by the operator"}`))
	}))
	defer admin.Close()
	t.Setenv("BRIDGE_ADMIN_LISTEN", strings.TrimPrefix(admin.URL, "http://"))
	if code, _, errs := cli(t, "", "gateway", "hold-local"); code != exitFailed || !strings.Contains(errs, "admin.token is asked for") || !strings.Contains(errs, "configuration has no admin.token") {
		t.Errorf("without the token: %d %s", code, errs)
	}
	t.Setenv("BRIDGE_ADMIN_TOKEN", "the-token-before-that")
	if code, _, errs := cli(t, "", "gateway", "hold-local"); code != exitFailed || !strings.Contains(errs, "shown is wrong") || !strings.Contains(errs, "environment BRIDGE_ADMIN_TOKEN") || strings.Contains(errs, "before-that") {
		t.Errorf("with a wrong token: %d %s", code, errs)
	}
	t.Setenv("BRIDGE_ADMIN_TOKEN", "the-operators-token")
	if code, out, errs := cli(t, "", "gateway", "hold-local"); code != 0 || !strings.Contains(out, "hold-local") {
		t.Errorf("with the token: %d %s %s", code, out, errs)
	}
}
