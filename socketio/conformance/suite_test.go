package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"chatbridge/internal/npm"
)

const (
	// suitesEnv names a checkout of socketio/socket.io, whose official
	// protocol suites are then run. They are not part of this repository.
	suitesEnv = "SOCKETIO_SUITES"
	// runsEnv is how many times each suite is run. Default 1; races of two
	// requests on two connections show in some runs only, so a release asks 20.
	runsEnv = "SOCKETIO_SUITE_RUNS"

	packages = "testdata/npm"
)

// suite is one of the two official test suites.
type suite struct {
	mode  string // our server's -mode
	dir   string // below docs/ of the checkout
	path  string // what the suite requests
	tests int    // how many it has; fewer means that it did not run
}

var suites = []suite{
	{"socketio", "socket.io-protocol/v5-test-suite", "/socket.io/", 32},
	{"engineio", "engine.io-protocol/v4-test-suite", "/engine.io/", 25},
}

// TestOfficialSuites runs the official suites against this server, on one
// core and on all. Three of the tests order two requests on two connections
// only by when they were sent, so one core is another test than two.
func TestOfficialSuites(t *testing.T) {
	checkout := needSuites(t)
	bin := filepath.Join(t.TempDir(), "conformance")
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", bin, ".").CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	for _, cores := range []string{"all", "one"} {
		for _, s := range suites {
			t.Run(s.mode+"/"+cores, func(t *testing.T) {
				addr := startOurs(t, bin, s.mode, cores == "one")
				s.run(t, checkout, addr, cores == "one")
			})
		}
	}
}

// TestReferencePasses runs the suites in the same way against Node's own
// server: if that fails, the suites are run wrongly.
func TestReferencePasses(t *testing.T) {
	checkout := needSuites(t)
	for _, s := range suites {
		t.Run(s.mode, func(t *testing.T) {
			p := npm.Node(t, packages+"/reference.mjs", s.mode)
			var listening struct{ Addr string }
			p.Await("listening", &listening)
			s.run(t, checkout, listening.Addr, false)
		})
	}
}

func needSuites(t *testing.T) (checkout string) {
	t.Helper()
	checkout = os.Getenv(suitesEnv)
	if checkout == "" {
		t.Skipf("set %s to a checkout of github.com/socketio/socket.io to run the official suites", suitesEnv)
	}
	npm.Install(t, packages)
	return checkout
}

// run runs the suite as often as asked and demands that all of it passes each
// time.
func (s suite) run(t *testing.T, checkout, addr string, oneCore bool) {
	t.Helper()
	file := s.adapt(t, checkout, addr)
	runs, err := strconv.Atoi(cmp.Or(os.Getenv(runsEnv), "1"))
	if err != nil {
		t.Fatalf("%s: %v", runsEnv, err)
	}
	for i := range runs {
		report := mocha(t, file, oneCore)
		for _, f := range report.Failures {
			t.Errorf("run %d: %s: %s", i+1, f.FullTitle, f.Err.Message)
		}
		if report.Stats.Passes+len(report.Failures) != s.tests {
			t.Fatalf("run %d: %d tests passed and %d failed, want %d in all", i+1, report.Stats.Passes, len(report.Failures), s.tests)
		}
	}
	t.Logf("%d tests, %d runs", s.tests, runs)
}

// adapt copies the suite beside its packages, with our address and path.
func (s suite) adapt(t *testing.T, checkout, addr string) (file string) {
	t.Helper()
	modules, err := filepath.Abs(filepath.Join(packages, "node_modules"))
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := os.Symlink(modules, filepath.Join(dir, "node_modules")); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(filepath.Join(checkout, "docs", s.dir, "test-suite.js"))
	if err != nil {
		t.Fatalf("read suite: %v (%s must be a checkout of socketio/socket.io)", err, suitesEnv)
	}
	text := strings.ReplaceAll(string(b), "http://localhost:3000", "http://"+addr)
	text = strings.ReplaceAll(text, s.path, "/api/ws/")
	// .mjs: there is no package.json with "type": "module" here.
	text = strings.ReplaceAll(text, "./node-imports.js", "./node-imports.mjs")
	imports, err := os.ReadFile("testdata/node-imports.mjs")
	if err != nil {
		t.Fatal(err)
	}
	for name, b := range map[string][]byte{"test-suite.mjs": []byte(text), "node-imports.mjs": imports} {
		if err := os.WriteFile(filepath.Join(dir, name), b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return filepath.Join(dir, "test-suite.mjs")
}

// report is what we read of mocha's JSON report.
type report struct {
	Stats    struct{ Passes int }
	Failures []struct {
		FullTitle string
		Err       struct{ Message string }
	}
}

// mocha runs a suite file. A failing test makes mocha's exit code non-zero,
// which says nothing that the report does not.
func mocha(t *testing.T, file string, oneCore bool) (r report) {
	t.Helper()
	bin, err := filepath.Abs(filepath.Join(packages, "node_modules", "mocha", "bin", "mocha"))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	argv := append(pin(oneCore), "node", bin, "--exit", "--reporter", "json", file)
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	var out, errOut bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errOut
	runErr := cmd.Run()
	if err := json.Unmarshal(out.Bytes(), &r); err != nil {
		t.Fatalf("read mocha's report: %v (%v)\n%s%s", err, runErr, out.String(), errOut.String())
	}
	return r
}

// startOurs runs the built server until the test ends, and gives its address.
func startOurs(t *testing.T, bin, mode string, oneCore bool) (addr string) {
	t.Helper()
	argv := append(pin(oneCore), bin, "-addr", "127.0.0.1:0", "-mode", mode)
	cmd := exec.CommandContext(t.Context(), argv[0], argv[1:]...)
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stderr = t.Output()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	if _, err := fmt.Fscanf(stdout, "listening on %s\n", &addr); err != nil {
		t.Fatalf("read address: %v", err)
	}
	return addr
}

func pin(oneCore bool) []string {
	if oneCore {
		return []string{"taskset", "-c", "0"}
	}
	return nil
}
