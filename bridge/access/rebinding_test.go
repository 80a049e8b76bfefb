package access_test

import (
	"net/http"
	"net/http/httptest"
	"net/netip"
	"testing"

	"chatbridge/bridge/access"
)

// TestRebound: a page of elsewhere, whatever headers it sets, and not a program, a proxy or a
// page by a name that no stranger can have.
func TestRebound(t *testing.T) {
	t.Parallel()
	trusted := access.Addresses{netip.MustParsePrefix("10.0.0.0/8")}
	const chrome = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 Chrome/140.0.0.0 Safari/537.36"
	for name, tt := range map[string]struct {
		host, peer, agent, language string
		want                        bool
	}{
		"a page of elsewhere":            {"evil.example:9090", "192.0.2.7:1", chrome, "en", true},
		"one that sets another agent":    {"evil.example:9090", "192.0.2.7:1", "Prometheus/3", "en", true},
		"a browser without a language":   {"evil.example", "192.0.2.7:1", chrome, "", true},
		"a name with an address in it":   {"192.0.2.1.evil.example", "192.0.2.7:1", chrome, "en", true},
		"one that ends as ours do":       {"evil-local.example", "192.0.2.7:1", chrome, "en", true},
		"with a dot at its end":          {"evil.example.", "192.0.2.7:1", chrome, "en", true},
		"Prometheus":                     {"bridge.example:9090", "192.0.2.7:1", "Prometheus/3.5.0", "", false},
		"a probe":                        {"bridge.example:9090", "192.0.2.7:1", "kube-probe/1.33", "", false},
		"a script":                       {"bridge.example:9090", "192.0.2.7:1", "curl/8.5.0", "", false},
		"a browser by address":           {"192.0.2.1:9090", "192.0.2.7:1", chrome, "en", false},
		"by an address of IPv6":          {"[2001:db8::1]:9090", "192.0.2.7:1", chrome, "en", false},
		"by a name without a dot":        {"bridge:9090", "192.0.2.7:1", chrome, "en", false},
		"by a name of the cluster":       {"bridge.crm.svc.cluster.local", "192.0.2.7:1", chrome, "en", false},
		"a browser behind a known proxy": {"status.example.com", "10.0.0.2:1", chrome, "en", false},
		"behind one that is not":         {"status.example.com", "192.0.2.9:1", chrome, "en", true},
	} {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/status", nil)
		r.Host, r.RemoteAddr = tt.host, tt.peer
		r.Header.Set("User-Agent", tt.agent)
		if tt.language != "" {
			r.Header.Set("Accept-Language", tt.language)
		}
		if got := access.Rebound(r, trusted); got != tt.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}
