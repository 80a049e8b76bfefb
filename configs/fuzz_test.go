package configs_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"chatbridge/configs"
)

// Whatever a file holds, Load gives a Config or an *Error that shows no
// secret.
func FuzzLoad(f *testing.F) {
	for _, s := range []string{
		"", "listen: :1", "auth: {chatengine_secret: hunter2, issuer: [a, b]}", "source: &a {postgres: *a}", "a: &a [*a]", "<<: {listen: :1}",
		"? [a]\n: b", "listen: !!binary aGVsbG8=", "listen: |\n  a\n  b", "---\n...\n---", "replay: {window: 1h, max_bytes: 1GiB}",
		"source: {postgres: {url: 'postgres://u:hunter2/x@h'}}", "source.postgres.url: 'host=h password=hunter2 x'", "{", "\x00", "log: [level]",
	} {
		f.Add(s)
	}
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, content string) {
		path := filepath.Join(dir, "bridge.yaml")
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		c, err := configs.Load(configs.Sources{File: path, Complete: true})
		var e *configs.Error
		switch {
		case err == nil && c == nil, err != nil && !errors.As(err, &e):
			t.Errorf("%q: %v, %v", content, c, err)
		case err != nil && strings.Contains(content, "hunter2") && strings.Contains(err.Error(), "hunter2"):
			// A secret in the place of a name or of another setting is shown;
			// in its own place it is not.
			for _, p := range e.Problems {
				if (strings.HasPrefix(p.Key, "auth.") && strings.HasSuffix(p.Key, "_secret") || p.Key == "source.postgres.url") && strings.Contains(p.Reason+p.Value, "hunter2") {
					t.Errorf("%q: %v", content, p)
				}
			}
		}
	})
}
