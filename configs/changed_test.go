package configs_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
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

// TestCredentialThatCannotBeRead is reported as such, not as a secret that is not
// set.
func TestCredentialThatCannotBeRead(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "credentials")
	if err := os.WriteFile(dir, nil, 0o600); err != nil { // not a directory, so nothing below it can be read
		t.Fatal(err)
	}
	_, err := configs.Load(configs.Sources{Env: []string{"CREDENTIALS_DIRECTORY=" + dir}})
	if err == nil || !strings.Contains(err.Error(), "source.postgres.url") || !strings.Contains(err.Error(), "not a directory") {
		t.Errorf("got %v", err)
	}
	empty := t.TempDir()
	if _, err := configs.Load(configs.Sources{Env: []string{"CREDENTIALS_DIRECTORY=" + empty}}); err != nil {
		t.Errorf("without credentials: %v", err)
	}
}
