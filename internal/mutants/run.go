package mutants

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"
)

// Outcome is what became of a mutant.
type Outcome string

// A mutant is to be killed; everything else is a failure.
const (
	Killed   Outcome = "killed"
	Survived Outcome = "survived"
	NotBuilt Outcome = "not built"
)

// Result is one mutant's.
type Result struct {
	Mutant  Mutant
	Outcome Outcome
	By      []string // the tests that failed
	Took    time.Duration
	Output  string // of the tests
}

// Runner runs tests of the module at Root.
type Runner struct {
	Root string
	// Timeout bounds the tests of one mutant; zero: two minutes. One that hangs
	// is killed by that.
	Timeout time.Duration
	// Temp is a folder for the changed files.
	Temp string
}

// Baseline runs the tests that the list names on the tree as it is, and reports
// those that fail or do not run: they would prove nothing.
func (r *Runner) Baseline(ctx context.Context, list []Mutant) error {
	type run struct{ pkg, args string }
	names := make(map[run][]string)
	for _, m := range list {
		k := run{m.Package, strings.Join(m.Args, " ")}
		names[k] = append(names[k], m.Tests...)
	}
	var wrong []error
	for k, tests := range names {
		pkg := k.pkg
		slices.Sort(tests)
		tests = slices.Compact(tests)
		out, err := r.test(ctx, pkg, tests, strings.Fields(k.args), "-v")
		if err != nil {
			wrong = append(wrong, fmt.Errorf("the tests of %s fail as it is: %w\n%s", pkg, err, tail(out)))
			continue
		}
		for _, name := range tests {
			if !strings.Contains(out, "\n--- PASS: "+name+" (") {
				wrong = append(wrong, fmt.Errorf("%s: %s did not run", pkg, name))
			}
		}
	}
	return errors.Join(wrong...)
}

// Run applies one mutant and runs its tests. The error is of the tool itself.
func (r *Runner) Run(ctx context.Context, m Mutant) (Result, error) {
	changed, err := m.apply(r.Root)
	if err != nil {
		return Result{}, err
	}
	overlay, err := r.overlay(m.File, changed)
	if err != nil {
		return Result{}, err
	}
	began := time.Now()
	out, err := r.test(ctx, m.Package, m.Tests, m.Args, "-overlay="+overlay)
	res := Result{Mutant: m, Took: time.Since(began), Output: out}
	var exit *exec.ExitError
	switch {
	case ctx.Err() != nil:
		return res, ctx.Err()
	case err == nil:
		res.Outcome = Survived
	case !errors.As(err, &exit):
		return res, err
	case strings.Contains(out, "[build failed]") || strings.Contains(out, "[setup failed]"):
		res.Outcome = NotBuilt
	default:
		res.Outcome, res.By = Killed, failing(out, m.Tests)
	}
	return res, nil
}

// overlay writes what go's -overlay takes, and returns its name.
func (r *Runner) overlay(file string, changed []byte) (string, error) {
	dir, err := os.MkdirTemp(r.Temp, "mutant-")
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, filepath.Base(file))
	if err := os.WriteFile(path, changed, 0o644); err != nil {
		return "", err
	}
	text, err := json.Marshal(map[string]any{"Replace": map[string]string{filepath.Join(r.Root, file): path}})
	if err != nil {
		return "", err
	}
	name := filepath.Join(dir, "overlay.json")
	return name, os.WriteFile(name, text, 0o644)
}

// test runs tests of one package, with args of their own.
func (r *Runner) test(ctx context.Context, pkg string, tests, args []string, flags ...string) (string, error) {
	timeout := r.Timeout
	if timeout == 0 {
		timeout = 2 * time.Minute
	}
	command := append([]string{"test", "-count=1", "-vet=off", "-timeout=" + timeout.String()}, flags...)
	command = append(command, "-run=^("+strings.Join(tests, "|")+")$", "./"+pkg)
	cmd := exec.CommandContext(ctx, "go", append(command, args...)...)
	cmd.Dir = r.Root
	cmd.WaitDelay = 5 * time.Second
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	err := cmd.Run()
	return "\n" + out.String(), err
}

var failLine = regexp.MustCompile(`(?m)^\s*--- FAIL: (\w+)`)

// failing names the tests that failed. One that panicked or hung took the
// process along and left no line: then it is one of those that were run.
func failing(out string, tests []string) []string {
	var names []string
	for _, match := range failLine.FindAllStringSubmatch(out, -1) {
		if !slices.Contains(names, match[1]) {
			names = append(names, match[1])
		}
	}
	if len(names) == 0 {
		return tests
	}
	return names
}

// tail is the end of an output.
func tail(out string) string {
	const most = 3000
	if len(out) > most {
		out = "…" + out[len(out)-most:]
	}
	return out
}
