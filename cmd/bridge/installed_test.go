package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"chatbridge/internal/schemas"
	"chatbridge/internal/throwaway/pgtest"
)

// TestInstalledCommands: on an installation under systemd, with its own unit, the
// commands work as they are documented, before the service was ever started.
func TestInstalledCommands(t *testing.T) {
	clean(t)
	dir := t.TempDir()
	unit, err := os.ReadFile("../../configs/bridge.service")
	if err != nil {
		t.Fatal(err)
	}
	file, err := os.ReadFile("../../configs/bridge.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string]string{
		"bridge.service": strings.ReplaceAll(string(unit), "/etc/chatbridge", dir),
		"bridge.yaml":    string(file),
		"database_url":   pgtest.DB(t, schemas.CRM) + "\n", "chatengine_secret": "a secret of at least thirty-two bytes\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("SYSTEMD_UNIT_PATH", dir)
	t.Setenv("BRIDGE_SOURCE_POSTGRES_SLOT", "installed_commands")
	t.Setenv("BRIDGE_LISTEN", "127.0.0.1:0")
	t.Setenv("BRIDGE_ADMIN_LISTEN", "127.0.0.1:0")
	for _, args := range [][]string{{"token", "--workspace", "w"}, {"setup", "--apply"}, {"setup"}, {"check"}, {"check", "--config", filepath.Join(dir, "bridge.yaml")}} {
		if code, out, errs := cli(t, "", args...); code != 0 {
			t.Errorf("bridge %s: exit code %d: %s%s", strings.Join(args, " "), code, out, errs)
		}
	}
}
