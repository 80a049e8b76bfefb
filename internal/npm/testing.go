package npm

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"strings"
	"testing"
	"time"
)

const (
	// installTimeout is how long an npm ci may take; one over a slow line took
	// 40 s.
	installTimeout = 5 * time.Minute
	// AwaitTimeout is how long [TestProcess.Await] waits for a line. Longer
	// than anything our tests wait for, so that a timeout is a fault.
	AwaitTimeout = 30 * time.Second
)

// Install installs the packages of the lock file in dir; see [CI]. Where
// there is no Node.js, the test is skipped; with CI set in the environment it
// fails, so that CI never skips a test.
func Install(t testing.TB, dir string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), installTimeout)
	defer cancel()
	err := CI(ctx, dir, testLog{t})
	switch {
	case errors.Is(err, ErrNoNode) && os.Getenv("CI") == "":
		t.Skip(err)
	case err != nil:
		t.Fatalf("install npm packages: %v", err)
	}
}

// TestProcess is a Process whose failures end the test.
type TestProcess struct {
	*Process
	t testing.TB
}

// Node runs a script, whose packages [Install] has installed, until the test
// ends. What it writes to its standard error is logged.
func Node(t testing.TB, script string, args ...string) *TestProcess {
	t.Helper()
	return NodeWith(t, Options{Script: script, Args: args})
}

// NodeWith is Node with all options. Options.Stderr, where nil, is the
// test's log.
func NodeWith(t testing.TB, o Options) *TestProcess {
	t.Helper()
	if o.Stderr == nil {
		o.Stderr = func(line string) { t.Log("node: " + line) }
	}
	// Not t.Context(): that one ends before the clean-ups, and Stop must be
	// what ends the process, so that its output is read up to then.
	p, err := Start(context.WithoutCancel(t.Context()), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Stop)
	return &TestProcess{Process: p, t: t}
}

// Await waits for the line with "event": name and decodes it into v, unless v
// is nil. Lines before it are dropped.
func (p *TestProcess) Await(name string, v any) {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.t.Context(), AwaitTimeout)
	defer cancel()
	if err := p.NextEvent(ctx, name, v); err != nil {
		p.t.Fatal(err)
	}
}

// NextLine waits for the next line, of any event.
func (p *TestProcess) NextLine() json.RawMessage {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.t.Context(), AwaitTimeout)
	defer cancel()
	line, err := p.Next(ctx)
	if err != nil {
		p.t.Fatalf("await a line: %v%s", err, p.errTxt.suffix())
	}
	return line
}

// Tell sends v as a line to the script.
func (p *TestProcess) Tell(v any) {
	p.t.Helper()
	if err := p.Send(v); err != nil {
		p.t.Fatal(err)
	}
}

// AwaitExit waits for the script to end by itself, without an error.
func (p *TestProcess) AwaitExit() {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.t.Context(), AwaitTimeout)
	defer cancel()
	if err := p.Wait(ctx); err != nil {
		p.t.Fatal(err)
	}
}

// testLog writes to a test's log.
type testLog struct{ t testing.TB }

func (l testLog) Write(b []byte) (int, error) {
	l.t.Log(strings.TrimRight(string(b), "\n"))
	return len(b), nil
}
