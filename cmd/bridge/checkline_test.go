package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestCheckNamesTheKey: as serve does, also where the text has the name of another key
// that begins with it.
func TestCheckNamesTheKey(t *testing.T) {
	clean(t)
	for text, want := range map[string]string{
		"cors: {origin: x}\n": "config.invalid cors.origin: is not a known key",
		"replay: 60s\n":       "config.invalid replay: is a section",
	} {
		file := filepath.Join(t.TempDir(), "bridge.yaml")
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, out, _ := cli(t, "", "check", "--config", file); !strings.Contains(out, want) || !strings.Contains(out, "bridge.yaml:1") {
			t.Errorf("%s: want %q: %s", text, want, out)
		}
	}
	t.Setenv("BRIDGE_LISTN", ":1")
	if _, out, _ := cli(t, "", "check"); !strings.Contains(out, "config.invalid: environment BRIDGE_LISTN: is not a known setting") {
		t.Errorf("%s", out)
	}
}
