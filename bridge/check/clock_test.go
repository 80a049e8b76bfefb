package check_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"
)

// TestTheClockOfPostgREST: one that is off by more than a minute is told.
func TestTheClockOfPostgREST(t *testing.T) {
	t.Parallel()
	for off, want := range map[time.Duration]bool{0: false, 2 * time.Hour: true, -5 * time.Minute: true} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Date", time.Now().Add(off).UTC().Format(http.TimeFormat))
			fmt.Fprint(w, `{"definitions": {"messages": {"properties": {"id": {"type": "string", "format": "uuid"}}}}}`)
		}))
		defer server.Close()
		f := findings(t, load(t, "BRIDGE_SOURCE_KIND=realtime", "SUPABASE_URL="+server.URL, "SUPABASE_SERVICE_ROLE_KEY=sb_secret_x", "BRIDGE_AUTH_JWKS_URL=none"))
		if _, told := f["warn realtime.clock"]; told != want {
			t.Errorf("off by %v: told %v: %v", off, told, f["fail realtime.table"])
		}
	}
}
