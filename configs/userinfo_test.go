package configs_test

import (
	"errors"
	"strings"
	"testing"

	"chatbridge/configs"
)

// TestNoPasswordIsShown: one in an address where none belongs is refused, and not printed.
func TestNoPasswordIsShown(t *testing.T) {
	t.Parallel()
	for _, key := range []string{"SUPABASE_URL", "CHATENGINE_URL", "BRIDGE_OTEL_ENDPOINT", "BRIDGE_AUTH_JWKS_URL", "BRIDGE_CLUSTER_ADVERTISE"} {
		_, err := configs.Load(configs.Sources{Env: []string{key + "=https://user:hidden@host.example"}})
		var refused *configs.Error
		if !errors.As(err, &refused) || strings.Contains(err.Error(), "hidden") {
			t.Errorf("%s: %v", key, err)
			continue
		}
		for _, p := range refused.Problems {
			if strings.Contains(p.Value+p.Reason, "hidden") {
				t.Errorf("%s: shown in %+v", key, p)
			}
		}
	}
}
