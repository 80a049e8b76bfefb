package demo_test

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"chatbridge/bridge/ops"
	"chatbridge/demo"
	"chatbridge/internal/chromium"
	"chatbridge/internal/npm"
	"chatbridge/mapping/eventschema"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(browserStopper{m}) }

// browserStopper ends the shared browser after the tests.
type browserStopper struct{ *testing.M }

func (b browserStopper) Run() int {
	defer chromium.Stop()
	return b.M.Run()
}

// output is the output of the demo; find waits for a pattern in it.
type output struct {
	mu   sync.Mutex
	text bytes.Buffer
	more chan struct{}
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.text.Write(p)
	close(o.more)
	o.more = make(chan struct{})
	return len(p), nil
}

func (o *output) find(t *testing.T, pattern string) string {
	t.Helper()
	timeout := time.After(60 * time.Second)
	for {
		o.mu.Lock()
		found, more := regexp.MustCompile(pattern).FindStringSubmatch(o.text.String()), o.more
		o.mu.Unlock()
		if found != nil {
			return found[len(found)-1]
		}
		select {
		case <-more:
		case <-timeout:
			t.Fatalf("the demo does not print %s; it printed\n%s", pattern, o.text.String())
		}
	}
}

// TestDemoWithARealClient runs the demo, connects socket.io-client from npm
// as the CRM does, and validates every event against the published schema.
func TestDemoWithARealClient(t *testing.T) {
	npm.Install(t, "testdata/npm")
	tmp := privateTemp(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	out := &output{more: make(chan struct{})}
	ended := make(chan error, 1)
	go func() {
		ended <- demo.Run(ctx, demo.Options{
			Listen: "127.0.0.1:0", Rate: 40, Out: out, Program: "bridge",
			Log: slog.New(slog.DiscardHandler), Build: ops.Build{Version: "test"},
		})
	}()
	url := out.find(t, `serves Socket\.IO at +(http://[^/]+)/api/ws`)
	token := out.find(t, `--token (\S+)`)
	client := npm.Node(t, "testdata/npm/crm.mjs", url, token)
	client.Await("connect", nil)

	schema, err := eventschema.New()
	if err != nil {
		t.Fatal(err)
	}
	kinds, checked := map[string]int{}, 0
	for checked < 400 || len(kinds) < 4 {
		var e struct {
			Name    string
			Payload json.RawMessage
		}
		client.Await("event", &e)
		if err := schema.Validate(e.Name, e.Payload); err != nil {
			t.Fatalf("%v: %s", err, e.Payload)
		}
		kinds[e.Name]++
		checked++
	}
	t.Logf("checked %v", kinds)
	client.Stop()
	cancel()
	if err := <-ended; err != nil {
		t.Errorf("the demo ended with %v", err)
	}
	nothingLeft(t, tmp)
}

// privateTemp creates a directory for temporary files that no other test uses and
// that the user whom Postgres runs as can read.
func privateTemp(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("/tmp", "demo")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("TMPDIR", dir)
	return dir
}

// nothingLeft checks that there is no file in dir and no process that names it.
func nothingLeft(t *testing.T, dir string) {
	t.Helper()
	files, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		t.Errorf("left behind: %s", f.Name())
	}
	processes, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range processes {
		if line, err := os.ReadFile(p); err == nil && bytes.Contains(line, []byte(dir)) {
			t.Errorf("left running: %q", line)
		}
	}
}

// TestInterruptedStart: whatever the moment of an interrupt, the demo ends
// soon, without an error and with nothing left.
func TestInterruptedStart(t *testing.T) {
	tmp := privateTemp(t)
	for _, after := range []time.Duration{0, 50 * time.Millisecond, 300 * time.Millisecond, 900 * time.Millisecond} {
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(after, cancel)
		err := demo.Run(ctx, demo.Options{
			Listen: "127.0.0.1:0", Rate: 1, Out: &bytes.Buffer{}, Log: slog.New(slog.DiscardHandler),
		})
		cancel()
		if err != nil {
			t.Errorf("interrupted after %v, the demo ended with %v", after, err)
		}
		nothingLeft(t, tmp)
	}
}

// TestForEndsByItself runs for a moment and reports what it did.
func TestForEndsByItself(t *testing.T) {
	var out bytes.Buffer
	err := demo.Run(t.Context(), demo.Options{
		Listen: "127.0.0.1:0", For: 1500 * time.Millisecond, Rate: 50, Out: &out, Log: slog.New(slog.DiscardHandler),
	})
	if err != nil || !regexp.MustCompile(`Published [1-9]\d* message`).MatchString(out.String()) {
		t.Errorf("error %v, printed\n%s", err, out.String())
	}
}

// TestAPortThatIsTaken is refused before anything else is shown, and nothing
// is left running.
func TestAPortThatIsTaken(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	err = demo.Run(t.Context(), demo.Options{
		Listen: ln.Addr().String(), Rate: 1, Out: &bytes.Buffer{}, Log: slog.New(slog.DiscardHandler),
	})
	if err == nil || !strings.Contains(err.Error(), "another process has this port") {
		t.Errorf("error %v", err)
	}
}

// TestNodes runs three bridges over Redis, of which the leader is killed at least: the
// client misses nothing, and nothing is left.
func TestNodes(t *testing.T) {
	if _, err := exec.LookPath("redis-server"); err != nil && os.Getenv("CI") == "" {
		t.Skip("no redis-server in PATH; scripts/prepare redis installs it")
	}
	program := filepath.Join(t.TempDir(), "bridge")
	build := exec.Command("go", "build", "-o", program, "./cmd/bridge")
	build.Dir = ".."
	if text, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	tmp := privateTemp(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	out := &output{more: make(chan struct{})}
	ended := make(chan error, 1)
	go func() {
		ended <- demo.Run(ctx, demo.Options{
			Listen: "127.0.0.1:0", Nodes: 3, Executable: program, Rate: 20, Out: out, Program: "bridge", Log: slog.New(slog.DiscardHandler),
		})
	}()
	out.find(t, `bridge \d, which led, is killed`)
	out.find(t, `bridge \d leads now`)
	out.find(t, `bridge \d is back and serves`)
	out.find(t, `events missing 0\n`)
	cancel()
	if err := <-ended; err != nil {
		t.Errorf("the demo ended with %v", err)
	}
	if last := out.find(t, `(\d+ bridges killed\. .*)\n`); !strings.Contains(last, "events missing 0, ") || !strings.Contains(last, "gaps 0.") {
		t.Error(last)
	}
	nothingLeft(t, tmp)
}

// TestNodesWithoutRedis: what is missing is said before anything is started.
func TestNodesWithoutRedis(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	var out bytes.Buffer
	err := demo.Run(t.Context(), demo.Options{Nodes: 3, Out: &out, Log: slog.New(slog.DiscardHandler)})
	if err == nil || !strings.Contains(err.Error(), "apt-get install redis-server") || out.Len() > 0 {
		t.Errorf("%v, after %q", err, out.String())
	}
}
