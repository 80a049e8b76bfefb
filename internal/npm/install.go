package npm

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// ErrNoNode says that node or npm is not in PATH. Test for it with errors.Is.
var ErrNoNode = errors.New("node and npm not found in PATH: install Node.js 18 or newer")

// stampName is the file, inside node_modules, that says which lock file it
// was installed from. Inside, so that deleting node_modules deletes it too.
const stampName = ".installed-from"

// CI installs the packages of the lock file in dir, as `npm ci` does, unless
// they are installed already. Callers in other processes wait for each other.
// What is installed is written to log before it starts; nil discards it.
func CI(ctx context.Context, dir string, log io.Writer) error {
	if log == nil {
		log = io.Discard
	}
	if err := found(); err != nil {
		return err
	}
	want, err := fingerprint(dir)
	if err != nil {
		return fmt.Errorf("read package files: %w", err)
	}
	unlock, err := lock(ctx, filepath.Join(dir, "package-lock.json"))
	if err != nil {
		return fmt.Errorf("lock %s: %w", dir, err)
	}
	defer unlock()

	stamp := filepath.Join(dir, "node_modules", stampName)
	if have, err := os.ReadFile(stamp); err == nil && string(have) == want {
		return nil
	}
	fmt.Fprintf(log, "npm: installing into %s: %s\n", dir, wanted(dir))
	start := time.Now()
	if err := ci(ctx, dir); err != nil {
		return err
	}
	fmt.Fprintf(log, "npm: installed in %s\n", time.Since(start).Round(time.Millisecond))
	if err := os.WriteFile(stamp, []byte(want), 0o644); err != nil {
		return fmt.Errorf("write stamp: %w", err)
	}
	return nil
}

// found returns ErrNoNode where node or npm cannot be run.
func found() error {
	for _, name := range []string{"node", "npm"} {
		if _, err := exec.LookPath(name); err != nil {
			return ErrNoNode
		}
	}
	return nil
}

// ci runs npm ci. Install scripts are not run: no package we use needs them, and
// they can run any command.
func ci(ctx context.Context, dir string) error {
	cmd := exec.CommandContext(ctx, "npm", "ci", "--no-audit", "--no-fund", "--ignore-scripts", "--loglevel=error")
	cmd.Dir = dir
	cmd.WaitDelay = 5 * time.Second
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Run(); err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return fmt.Errorf("run npm ci in %s: %w\n%s\n(npm ci needs the registry, or a filled npm cache)", dir, err, tail(out.String(), 40))
	}
	return os.MkdirAll(filepath.Join(dir, "node_modules"), 0o755)
}

// fingerprint is a hash over the files that decide what npm ci installs.
func fingerprint(dir string) (string, error) {
	h := sha256.New()
	for _, name := range []string{"package.json", "package-lock.json", ".npmrc"} {
		b, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil && (name != ".npmrc" || !errors.Is(err, fs.ErrNotExist)) {
			return "", err
		}
		fmt.Fprintf(h, "%s %d\n", name, len(b))
		h.Write(b)
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// lock takes an exclusive flock on file, which must exist. The lock file of
// npm is used, so that no other file is left. The wait polls, because flock(2)
// takes no context.
func lock(ctx context.Context, file string) (unlock func(), err error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	for {
		err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		switch {
		case err == nil:
			return func() { f.Close() }, nil
		case !errors.Is(err, syscall.EWOULDBLOCK) && !errors.Is(err, syscall.EINTR):
			f.Close()
			return nil, err
		}
		select {
		case <-ctx.Done():
			f.Close()
			return nil, ctx.Err()
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// tail is the last n lines of s.
func tail(s string, n int) string {
	lines := strings.Split(strings.TrimSpace(s), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}
