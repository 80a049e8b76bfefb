package failover

import (
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"chatbridge/internal/chatengine"
	"chatbridge/internal/process"
)

// Bridge is the daemon as a process of its own, with a configuration file.
type Bridge struct {
	t      testing.TB
	binary string
	dir    string
	addr   string
	admin  string

	child *process.Child // nil while it is stopped
}

// BridgeOptions say what bridge to run.
type BridgeOptions struct {
	// Form is ChatEngine's: its tables decide on the mapping.
	Form chatengine.Form
	// DatabaseURL is where it reads from.
	DatabaseURL string
	// Secret checks ChatEngine's tokens.
	Secret string
	// Settings are further keys of the configuration, such as
	// "gateway.recover_after".
	Settings map[string]string
	// Clock is by which it goes; nil: the machine's.
	Clock *Clock
}

// daemon is its binary, built once per test binary.
type daemon struct {
	sync.Once
	path string
	err  error
}

// built is the daemon as it is, stepped one that goes by a Clock.
var built, stepped daemon

// build compiles cmd/bridge; more says with which arguments, given a folder for files.
func (d *daemon) build(more func(dir string) ([]string, error)) (string, error) {
	d.Do(func() {
		dir, err := os.MkdirTemp("", "bridge-")
		if err != nil {
			d.err = err
			return
		}
		d.path = filepath.Join(dir, "bridge")
		args := []string{"build", "-o", d.path}
		if more != nil {
			added, err := more(dir)
			if err != nil {
				d.err = err
				return
			}
			args = append(args, added...)
		}
		cmd := exec.Command("go", append(args, "./cmd/bridge")...)
		cmd.Dir = Root()
		if out, err := cmd.CombinedOutput(); err != nil {
			d.err = fmt.Errorf("build the bridge: %w\n%s", err, out)
		}
	})
	return d.path, d.err
}

// build compiles cmd/bridge.
func build() (string, error) { return built.build(nil) }

// buildStepped compiles one that goes by a Clock.
func buildStepped() (string, error) {
	return stepped.build(func(dir string) ([]string, error) {
		file, err := overlay(dir)
		return []string{"-overlay", file}, err
	})
}

// CleanUp removes the built binaries. For TestMain.
func CleanUp() {
	for _, d := range []*daemon{&built, &stepped} {
		if d.path != "" {
			os.RemoveAll(filepath.Dir(d.path))
		}
	}
}

// NewBridge builds and starts a bridge and returns when it is ready. It ends
// with the test.
func NewBridge(t testing.TB, o BridgeOptions) *Bridge {
	t.Helper()
	of := build
	if o.Clock != nil {
		of = buildStepped
	}
	binary, err := of()
	if err != nil {
		t.Fatal(err)
	}
	b := &Bridge{t: t, binary: binary, dir: t.TempDir(), addr: freeAddr(t), admin: freeAddr(t)}
	settings := map[string]string{
		"listen": b.addr, "admin.listen": b.admin,
		"source.postgres.url": o.DatabaseURL, "mapping.preset": pick(o.Form, "chatengine", "crm"),
		"auth.chatengine_secret": o.Secret, "cors.origins": "*",
		"replay.state_file": filepath.Join(b.dir, "state"),
		// What goes out corrected, since a busy machine was slow, is not among the truth.
		"lookup.timeout": "20s",
		"log.format":     "text",
	}
	maps.Copy(settings, o.Settings)
	var env strings.Builder
	for key, value := range settings {
		fmt.Fprintf(&env, "BRIDGE_%s=%s\n", strings.ToUpper(strings.ReplaceAll(key, ".", "_")), value)
	}
	if o.Clock != nil {
		env.WriteString(o.Clock.environment() + "\n")
	}
	writeFile(t, filepath.Join(b.dir, "env"), env.String())
	b.Start()
	t.Cleanup(func() {
		b.Kill()
		if log, err := os.ReadFile(b.log()); err == nil && t.Failed() {
			t.Logf("the bridge's log:\n%s", tail(log, 12000))
		}
	})
	b.AwaitReady()
	return b
}

func (b *Bridge) log() string { return filepath.Join(b.dir, "log") }

// Log returns its log so far, of all starts.
func (b *Bridge) Log() string {
	text, err := os.ReadFile(b.log())
	if err != nil {
		b.t.Fatal(err)
	}
	return string(text)
}

// Start starts the process, which must not be running, on the same addresses.
func (b *Bridge) Start() {
	b.t.Helper()
	log, err := os.OpenFile(b.log(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		b.t.Fatal(err)
	}
	env, err := os.ReadFile(filepath.Join(b.dir, "env"))
	if err != nil {
		b.t.Fatal(err)
	}
	cmd := exec.Command(b.binary, "serve")
	cmd.Stdout, cmd.Stderr, cmd.Dir = log, log, b.dir
	cmd.Env = append([]string{"PATH=" + os.Getenv("PATH"), "HOME=" + b.dir}, strings.Split(strings.TrimSpace(string(env)), "\n")...)
	b.child, err = process.Start(cmd, syscall.SIGKILL)
	log.Close()
	if err != nil {
		b.t.Fatal(err)
	}
}

// Kill ends it by SIGKILL; no effect where it does not run.
func (b *Bridge) Kill() { b.end(syscall.SIGKILL) }

// Freeze puts it to sleep, by SIGSTOP, and Thaw wakes it.
func (b *Bridge) Freeze() { _ = syscall.Kill(b.child.PID, syscall.SIGSTOP) }

// Thaw ends Freeze.
func (b *Bridge) Thaw() { _ = syscall.Kill(b.child.PID, syscall.SIGCONT) }

// Terminate ends it by SIGTERM and returns how long that took.
func (b *Bridge) Terminate() time.Duration {
	start := time.Now()
	b.end(syscall.SIGTERM)
	return time.Since(start)
}

func (b *Bridge) end(sig syscall.Signal) {
	if b.child == nil {
		return
	}
	if !b.child.Ended() {
		_ = syscall.Kill(b.child.PID, sig)
	}
	_ = b.child.Wait()
	b.child = nil
}

// Running reports whether the process runs.
func (b *Bridge) Running() bool { return b.child != nil && !b.child.Ended() }

// AwaitReady waits until events flow.
func (b *Bridge) AwaitReady() {
	b.t.Helper()
	await(b.t, 60*time.Second, "the bridge to be ready at "+b.addr, func() bool {
		if !b.Running() {
			b.t.Fatalf("the bridge has ended:\n%s", tail([]byte(b.Log()), 4000))
		}
		return httpOK(b.URL() + "/readyz")
	})
}

// Metrics are the lines of /metrics that begin with prefix and are not zero.
func (b *Bridge) Metrics(prefix string) []string {
	b.t.Helper()
	client := http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Get(b.AdminURL() + "/metrics")
	if err != nil {
		b.t.Log(err)
		return nil
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		b.t.Log(err)
		return nil
	}
	var lines []string
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSpace(line)
		if strings.HasPrefix(line, prefix) && !strings.HasSuffix(line, " 0") {
			lines = append(lines, line)
		}
	}
	return lines
}

// Addr is the public listener's host:port, URL with http before it, AdminURL
// the admin listener's.
func (b *Bridge) Addr() string     { return b.addr }
func (b *Bridge) URL() string      { return "http://" + b.addr }
func (b *Bridge) AdminURL() string { return "http://" + b.admin }
