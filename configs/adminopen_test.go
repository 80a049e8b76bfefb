package configs_test

import (
	"strings"
	"testing"

	"chatbridge/configs"
)

// TestOpenAdminListenerIsTold: an operator's listener that others reach is said, unless a
// token is asked for.
func TestOpenAdminListenerIsTold(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		listen, token string
		warned        bool
	}{
		{"0.0.0.0:9090", "", true},
		{":9090", "", true},
		{"[::]:9090", "", true},
		{"0.0.0.0:9090", "the-operators-own-token", false},
		{"127.0.0.1:9090", "", false},
		{"", "", false},
	} {
		c, err := configs.Load(configs.Sources{Env: []string{"BRIDGE_ADMIN_LISTEN=" + tt.listen, "BRIDGE_ADMIN_TOKEN=" + tt.token}})
		if err != nil {
			t.Fatal(err)
		}
		if warned := strings.Contains(strings.Join(c.Warnings(), "\n"), "the operator's page"); warned != tt.warned {
			t.Errorf("%+v: %q", tt, c.Warnings())
		}
	}
}

// TestCollectorsAddressIsWithoutPath: what is added to it is not in it.
func TestCollectorsAddressIsWithoutPath(t *testing.T) {
	t.Parallel()
	for address, right := range map[string]bool{
		"http://127.0.0.1:4318": true, "http://127.0.0.1:4318/otlp": true,
		"http://127.0.0.1:4318/v1/traces": false, "http://127.0.0.1:4318/v1/metrics/": false, "http://127.0.0.1:4318/v1/logs": false,
	} {
		_, err := configs.Load(configs.Sources{Env: []string{"BRIDGE_OTEL_ENDPOINT=" + address}})
		if (err == nil) != right || err != nil && !strings.Contains(err.Error(), "write it without /v1/") {
			t.Errorf("%s: %v", address, err)
		}
	}
}
