package opstest_test

import (
	"bufio"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"chatbridge/internal/ports"
)

// waitLimit bounds every wait; only a failure reaches it.
const waitLimit = 30 * time.Second

// setup is how a process is started.
type setup struct {
	args      []string
	env       []string
	listeners []*os.File // passed as systemd does
	names     string     // of the listeners, with colons
	attr      *syscall.SysProcAttr
	path      string // of the program; empty: binary
}

// process is a running bridge whose log is watched.
type process struct {
	t    *testing.T
	cmd  *exec.Cmd
	done chan struct{}

	mu    sync.Mutex
	lines []map[string]any // the log, JSON lines
	raw   []string
	next  chan struct{} // closed at the next line or the end
}

// start runs the program with no environment but the setup's.
func start(t *testing.T, s setup) *process {
	t.Helper()
	path := s.path
	if path == "" {
		path = binary(t)
	}
	args := append([]string{path}, s.args...)
	env := append([]string{"PATH=" + os.Getenv("PATH"), "HOME=/"}, s.env...)
	if len(s.listeners) > 0 {
		// The variable names the process's own id, which exec keeps.
		args = append([]string{"/bin/sh", "-c", `LISTEN_PID=$$ exec "$@"`, "sh"}, args...)
		env = append(env, "LISTEN_FDS="+strconv.Itoa(len(s.listeners)), "LISTEN_FDNAMES="+s.names)
	}
	p := &process{t: t, cmd: exec.Command(args[0], args[1:]...), done: make(chan struct{}), next: make(chan struct{})}
	p.cmd.Env, p.cmd.ExtraFiles, p.cmd.SysProcAttr = env, s.listeners, s.attr
	stderr, err := p.cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(p.done)
		p.watch(stderr)
		_ = p.cmd.Wait()
		p.wake(nil, "")
	}()
	t.Cleanup(func() {
		_ = p.cmd.Process.Kill()
		<-p.done
		if t.Failed() {
			t.Logf("log of %s:\n%s", strings.Join(s.args, " "), p.log())
		}
	})
	return p
}

func (p *process) watch(r io.Reader) {
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		text := lines.Text()
		var line map[string]any
		if i := strings.IndexByte(text, '{'); i >= 0 {
			_ = json.Unmarshal([]byte(text[i:]), &line)
		}
		p.wake(line, text)
	}
}

func (p *process) wake(line map[string]any, raw string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if raw != "" {
		p.raw = append(p.raw, raw)
	}
	if line != nil {
		p.lines = append(p.lines, line)
	}
	close(p.next)
	p.next = make(chan struct{})
}

func (p *process) log() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return strings.Join(p.raw, "\n")
}

// line waits for the n-th line (from 1) of an event.
func (p *process) line(event string, n int) map[string]any {
	p.t.Helper()
	deadline := time.After(waitLimit)
	for {
		p.mu.Lock()
		found := 0
		for _, line := range p.lines {
			if line["event"] == event {
				if found++; found == n {
					p.mu.Unlock()
					return line
				}
			}
		}
		next := p.next
		p.mu.Unlock()
		select {
		case <-next:
		case <-p.done:
			p.t.Fatalf("it ended without logging %s", event)
		case <-deadline:
			p.t.Fatalf("no %s in the log", event)
		}
	}
}

// end waits for the process to end and returns its exit code, -1 for a signal.
func (p *process) end() int {
	p.t.Helper()
	select {
	case <-p.done:
	case <-time.After(waitLimit):
		p.t.Fatal("it did not end")
	}
	return p.cmd.ProcessState.ExitCode()
}

func (p *process) signal(s os.Signal) {
	p.t.Helper()
	if err := p.cmd.Process.Signal(s); err != nil {
		p.t.Fatal(err)
	}
}

// stop ends it as systemd and Docker do.
func (p *process) stop() {
	p.t.Helper()
	p.signal(syscall.SIGTERM)
	if code := p.end(); code != 0 {
		p.t.Errorf("exit code %d after SIGTERM", code)
	}
}

// freeAddress is an address at which nothing listens.
func freeAddress(t *testing.T) string {
	t.Helper()
	addr, err := ports.Free()
	if err != nil {
		t.Fatal(err)
	}
	return addr
}

// holder listens as systemd does for a socket unit.
func holder(t *testing.T) (address string, socket *os.File) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close() // the file goes on listening
	socket, err = ln.(*net.TCPListener).File()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { socket.Close() })
	return ln.Addr().String(), socket
}

// manager is the service manager's end of $NOTIFY_SOCKET.
type manager struct {
	t    *testing.T
	conn *net.UnixConn
	path string
}

func newManager(t *testing.T) *manager {
	t.Helper()
	path := filepath.Join(t.TempDir(), "notify")
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return &manager{t, conn, path}
}

// await reads messages until one begins with prefix and returns it.
func (m *manager) await(prefix string) string {
	m.t.Helper()
	if err := m.conn.SetReadDeadline(time.Now().Add(waitLimit)); err != nil {
		m.t.Fatal(err)
	}
	buf := make([]byte, 4096)
	var seen []string
	for {
		n, err := m.conn.Read(buf)
		if err != nil {
			m.t.Fatalf("waiting for %s: %v; got %q", prefix, err, seen)
		}
		if seen = append(seen, string(buf[:n])); strings.HasPrefix(seen[len(seen)-1], prefix) {
			return seen[len(seen)-1]
		}
	}
}

var web = &http.Client{Timeout: waitLimit, Transport: &http.Transport{DisableKeepAlives: true}}

// get asks until there is an answer with the status.
func get(t *testing.T, url string, status int) string {
	t.Helper()
	body, err := poll(url, status)
	if err != nil {
		t.Fatal(err)
	}
	return body
}

func poll(url string, status int) (string, error) {
	var last error
	for deadline := time.Now().Add(waitLimit); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		answer, err := web.Get(url)
		if last = err; err != nil {
			continue
		}
		body, err := io.ReadAll(answer.Body)
		answer.Body.Close()
		if err == nil && answer.StatusCode == status {
			return string(body), nil
		}
		last = errors.New(url + ": " + answer.Status + ": " + string(body))
	}
	return "", last
}
