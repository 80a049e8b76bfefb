package check_test

import (
	"slices"
	"strings"
	"testing"

	"chatbridge/bridge/check"
	"chatbridge/configs"
	"chatbridge/internal/collector"
	"chatbridge/source/postgres/provision"
)

// TestOTel: a collector that takes nothing is told, with a remedy, and keeps nobody from
// anything.
func TestOTel(t *testing.T) {
	t.Parallel()
	findings := func(env ...string) (all []string) {
		t.Helper()
		cfg, err := configs.Load(configs.Sources{Env: env})
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range check.Run(t.Context(), cfg) {
			if strings.HasPrefix(f.ID, "otel.") {
				all = append(all, f.ID+" "+f.Level.String())
				if f.Level != provision.OK && f.Fix == "" {
					t.Errorf("%s has no remedy", f.ID)
				}
			}
		}
		return all
	}
	c := collector.Start(t)
	if got := findings("BRIDGE_OTEL_ENDPOINT=" + c.URL); !slices.Equal(got, []string{"otel.ok ok"}) {
		t.Errorf("all is well: %q", got)
	}
	c.Refuse(true)
	if got := findings("BRIDGE_OTEL_ENDPOINT=" + c.URL); !slices.Equal(got, []string{"otel.endpoint warn"}) {
		t.Errorf("it refuses: %q", got)
	}
	if got := findings(); len(got) != 0 {
		t.Errorf("it is not set: %q", got)
	}
}
