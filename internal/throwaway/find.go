package throwaway

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// BinEnv is the environment variable that names the directory of initdb and
// postgres.
const BinEnv = "BRIDGE_POSTGRES_BIN"

// NotFoundError says that no Postgres server is installed where Find searches.
type NotFoundError struct {
	// Version is the major version searched for, empty for any.
	Version string
}

// Error says what is missing and how to install it.
func (e *NotFoundError) Error() string {
	what := "a Postgres server (initdb and postgres)"
	pkg := "postgresql"
	if e.Version != "" {
		what = "a Postgres " + e.Version + " server (initdb and postgres)"
		pkg += "-" + e.Version
	}
	return what + " was not found: install it (Debian, Ubuntu: apt install " + pkg +
		"; macOS: brew install postgresql@17; Fedora: dnf install postgresql-server) or set " +
		BinEnv + " to its directory"
}

// Find returns the directory of initdb and postgres: the one that
// BRIDGE_POSTGRES_BIN names, else that of the postgres on PATH, else the
// newest of the places where Debian, Fedora and Homebrew put it. A version
// narrows the search to one major version; BRIDGE_POSTGRES_BIN then counts
// only if it is of that version. A BRIDGE_POSTGRES_BIN without a server is an
// error: no other is used in its place.
func Find(ctx context.Context, version string) (string, error) {
	if dir := os.Getenv(BinEnv); dir != "" && !complete(dir) {
		return "", fmt.Errorf("%s = %q: there is no initdb and postgres in it; name the directory that holds both, or unset it", BinEnv, dir)
	}
	for _, dir := range candidates() {
		if !complete(dir) {
			continue
		}
		if version == "" {
			return dir, nil
		}
		if v, err := Major(ctx, dir); err == nil && strconv.Itoa(v) == version {
			return dir, nil
		}
	}
	return "", &NotFoundError{Version: version}
}

// candidates lists the directories to search, best first.
func candidates() []string {
	var dirs []string
	if dir := os.Getenv(BinEnv); dir != "" {
		dirs = append(dirs, dir)
	}
	if path, err := exec.LookPath("postgres"); err == nil {
		// Debian's alternatives link only some programs: initdb is beside
		// the real file.
		if real, err := filepath.EvalSymlinks(path); err == nil {
			path = real
		}
		dirs = append(dirs, filepath.Dir(path))
	}
	var found []string
	for _, pattern := range []string{
		"/usr/lib/postgresql/*/bin",          // Debian, Ubuntu
		"/usr/pgsql-*/bin",                   // the PGDG packages of Fedora, RHEL
		"/opt/homebrew/opt/postgresql@*/bin", // Homebrew, Apple silicon
		"/usr/local/opt/postgresql@*/bin",    // Homebrew, Intel
		"/home/linuxbrew/.linuxbrew/opt/postgresql@*/bin",
		"/Applications/Postgres.app/Contents/Versions/*/bin",
	} {
		if m, err := filepath.Glob(pattern); err == nil {
			found = append(found, m...)
		}
	}
	slices.SortStableFunc(found, func(a, b string) int { return versionInPath(b) - versionInPath(a) })
	return append(dirs, found...)
}

var digits = regexp.MustCompile(`\d+`)

// versionInPath guesses the major version from a directory's name, 0 where
// there is none.
func versionInPath(dir string) int {
	v, err := strconv.Atoi(digits.FindString(filepath.Base(filepath.Dir(dir))))
	if err != nil {
		return 0
	}
	return v
}

func complete(dir string) bool {
	for _, name := range []string{"initdb", "postgres"} {
		if info, err := os.Stat(filepath.Join(dir, name)); err != nil || info.IsDir() {
			return false
		}
	}
	return true
}

// Major asks the postgres in the directory bin for its major version.
func Major(ctx context.Context, bin string) (int, error) {
	out, err := exec.CommandContext(ctx, filepath.Join(bin, "postgres"), "--version").Output()
	if err != nil {
		return 0, fmt.Errorf("ask %s for its version: %w", filepath.Join(bin, "postgres"), err)
	}
	// postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)
	_, rest, _ := strings.Cut(string(out), "(PostgreSQL) ")
	v, err := strconv.Atoi(digits.FindString(rest))
	if err != nil {
		return 0, fmt.Errorf("read the version in %q: %w", strings.TrimSpace(string(out)), err)
	}
	return v, nil
}
