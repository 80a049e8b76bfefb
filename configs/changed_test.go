package configs_test

import (
	"slices"
	"testing"

	"chatbridge/configs"
)

func TestChanged(t *testing.T) {
	load := func(env ...string) *configs.Config {
		t.Helper()
		c, err := configs.Load(configs.Sources{Env: env})
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	// Secrets of one length differ although both print as the mask.
	before := load("BRIDGE_LISTEN=:1", "CHATENGINE_JWT_SECRET=aaaa,bbbb", "DATABASE_URL=postgres://u:one@h/d", "BRIDGE_CORS_ORIGINS=https://a.example")
	after := load("BRIDGE_LISTEN=:1", "CHATENGINE_JWT_SECRET=aaaa,cccc", "DATABASE_URL=postgres://u:two@h/d", "BRIDGE_LOG_LEVEL=debug")
	want := []string{"cors.origins", "source.postgres.url", "auth.chatengine_secret", "log.level"}
	if got := configs.Changed(before, after); !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	if got := configs.Changed(before, before); len(got) > 0 {
		t.Errorf("a Config differs from itself in %q", got)
	}
}
