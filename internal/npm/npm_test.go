package npm_test

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"chatbridge/internal/npm"
)

const folder = "testdata/npm"

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestInstallOnce(t *testing.T) {
	npm.Install(t, folder)
	dir := copyFolder(t)

	// Four at once: one installs, the others wait and find it done.
	var log syncBuilder
	var all sync.WaitGroup
	errs := make([]error, 4)
	for i := range errs {
		all.Go(func() { errs[i] = npm.CI(t.Context(), dir, &log) })
	}
	all.Wait()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(log.String(), "installing into"); n != 1 {
		t.Errorf("installed %d times, want 1:\n%s", n, log.String())
	}
	if !strings.Contains(log.String(), "ms 2.1.3") {
		t.Errorf("log does not say what is installed:\n%s", log.String())
	}
	if _, err := os.Stat(filepath.Join(dir, "node_modules", "ms", "package.json")); err != nil {
		t.Error(err)
	}

	// Another lock file: installed again.
	touch(t, filepath.Join(dir, "package-lock.json"))
	if err := npm.CI(t.Context(), dir, &log); err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(log.String(), "installing into"); n != 2 {
		t.Errorf("installed %d times after a change of the lock file, want 2", n)
	}
}

func TestInstallSaysWhatIsWrong(t *testing.T) {
	npm.Install(t, folder)
	if err := npm.CI(t.Context(), t.TempDir(), nil); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("folder without package files: %v, want ErrNotExist", err)
	}
	dir := copyFolder(t)
	if err := os.WriteFile(filepath.Join(dir, "package-lock.json"), []byte("{"), 0o644); err != nil {
		t.Fatal(err)
	}
	err := npm.CI(t.Context(), dir, nil)
	// Up to version 9, npm says "npm ERR!".
	if err == nil || !strings.Contains(strings.ToLower(err.Error()), "npm err") {
		t.Errorf("broken lock file: %v, want what npm said", err)
	}
}

func TestProcess(t *testing.T) {
	npm.Install(t, folder)
	p := npm.Node(t, folder+"/echo.mjs", "a", "b c")
	var ready struct {
		Args []string
		Hour int
	}
	p.Await("ready", &ready)
	if len(ready.Args) != 2 || ready.Args[1] != "b c" || ready.Hour != 3600_000 {
		t.Errorf("ready = %+v", ready)
	}
	want := strings.Repeat("long ", 100_000)
	p.Tell(want)
	var echo struct{ Line string }
	p.Await("echo", &echo)
	if echo.Line != want {
		t.Errorf("echo of %d bytes has %d", len(want), len(echo.Line))
	}
	p.CloseInput()
	p.AwaitExit()
	if _, err := p.Next(t.Context()); !errors.Is(err, npm.ErrEnded) {
		t.Errorf("line after the end: %v, want ErrEnded", err)
	}
}

func TestProcessOfAnotherProgram(t *testing.T) {
	p := npm.NodeWith(t, npm.Options{Program: "sh", Script: folder + "/ready.sh", Args: []string{"a"}})
	var ready struct{ Arg string }
	p.Await("ready", &ready)
	if ready.Arg != "a" {
		t.Errorf("ready = %+v", ready)
	}
	p.AwaitExit()
}

func TestProcessFailureQuotesStderr(t *testing.T) {
	npm.Install(t, folder)
	p := npm.Node(t, folder+"/missing.mjs")
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	if err := p.NextEvent(ctx, "ready", nil); !errors.Is(err, npm.ErrEnded) {
		t.Errorf("event of a script that is missing: %v, want ErrEnded", err)
	}
	if err := p.Wait(ctx); err == nil || !strings.Contains(err.Error(), "Cannot find module") {
		t.Errorf("end of a script that is missing: %v, want its stderr quoted", err)
	}
}

func TestStopKillsTheGroup(t *testing.T) {
	npm.Install(t, folder)
	script := filepath.Join(t.TempDir(), "spawn.mjs")
	code := `import { spawn } from 'node:child_process'
const c = spawn('sleep', ['600'], { stdio: 'inherit' })
console.log(JSON.stringify({ event: 'spawned', pid: c.pid }))`
	if err := os.WriteFile(script, []byte(code), 0o600); err != nil {
		t.Fatal(err)
	}
	p := npm.Node(t, script)
	p.Await("spawned", nil)
	// The child has our pipes open: Stop returns soon only if it ends too.
	start := time.Now()
	p.Stop()
	if d := time.Since(start); d > 4*time.Second {
		t.Errorf("Stop took %v: the child outlived node", d)
	}
}

// copyFolder gives a folder of the test's own with the package files.
func copyFolder(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for _, name := range []string{"package.json", "package-lock.json", ".npmrc"} {
		b, err := os.ReadFile(filepath.Join(folder, name))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), b, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func touch(t *testing.T, file string) {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, append(b, '\n'), 0o644); err != nil {
		t.Fatal(err)
	}
}

type syncBuilder struct {
	mu sync.Mutex
	b  strings.Builder
}

func (s *syncBuilder) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *syncBuilder) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}
