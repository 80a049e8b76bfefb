package check_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"chatbridge/bridge/check"
	"chatbridge/source/postgres/provision"
)

// TestRedirectsAreTold: no credential goes to where a configured address redirects, and each
// finding names where that is.
func TestRedirectsAreTold(t *testing.T) {
	t.Parallel()
	other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		t.Errorf("the other host was asked for %s, with apikey %q, x-token %q", r.URL.Path, r.Header.Get("apikey"), r.Header.Get("X-Token"))
		fmt.Fprint(w, "[]")
	}))
	defer other.Close()
	moved := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, other.URL+r.URL.Path, http.StatusTemporaryRedirect)
	}))
	defer moved.Close()
	told := map[string]bool{}
	for _, f := range check.Run(t.Context(), load(t,
		"BRIDGE_SOURCE_KIND=realtime", "SUPABASE_URL="+moved.URL, "SUPABASE_SERVICE_ROLE_KEY=sb_secret_x",
		"BRIDGE_AUTH_JWKS_URL="+moved.URL+"/keys", "BRIDGE_OTEL_ENDPOINT="+moved.URL,
	)) {
		if f.Level != provision.OK && strings.Contains(f.What, "redirects to "+other.URL) {
			told[f.ID] = true
		}
	}
	for _, id := range []string{"realtime.connect", "realtime.table", "auth.jwks", "auth.members", "otel.endpoint"} {
		if !told[id] {
			t.Errorf("%s tells of no redirect", id)
		}
	}
}
