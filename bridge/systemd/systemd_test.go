package systemd_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"

	"go.uber.org/goleak"

	"chatbridge/bridge/systemd"
)

// TestMain is also the child process that inherits sockets.
func TestMain(m *testing.M) {
	if os.Getenv("SYSTEMD_TEST_CHILD") != "" {
		os.Exit(child())
	}
	goleak.VerifyTestMain(m)
}

// manager is the manager's end of $NOTIFY_SOCKET.
type manager struct {
	t    *testing.T
	conn *net.UnixConn
}

func newManager(t *testing.T) *manager {
	t.Helper()
	path := filepath.Join(t.TempDir(), "notify")
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	t.Setenv("NOTIFY_SOCKET", path)
	return &manager{t, conn}
}

func (m *manager) next() string {
	m.t.Helper()
	buf := make([]byte, 4096)
	n, err := m.conn.Read(buf)
	if err != nil {
		m.t.Fatal(err)
	}
	return string(buf[:n])
}

var silent = slog.New(slog.DiscardHandler)

func TestStates(t *testing.T) {
	m := newManager(t)
	n := systemd.NewNotifier(silent)
	n.Ready()
	n.Reloading()
	n.Status("following\n3 clients")
	n.Status("following 3 clients") // the same again: not sent
	n.Stopping()
	for _, want := range []string{"READY=1", "RELOADING=1\nMONOTONIC_USEC=", "STATUS=following 3 clients", "STOPPING=1"} {
		got := m.next()
		if usec, ok := strings.CutPrefix(got, want); !ok || usec != "" && !strings.HasSuffix(want, "=") {
			t.Errorf("got %q, want %q", got, want)
		} else if usec != "" {
			if at, err := strconv.ParseInt(usec, 10, 64); err != nil || at <= 0 {
				t.Errorf("MONOTONIC_USEC=%q: %v", usec, err)
			}
		}
	}
}

func TestWithoutManagerNothingHappens(t *testing.T) {
	t.Setenv("NOTIFY_SOCKET", "")
	n := systemd.NewNotifier(silent)
	n.Ready()
	if err := n.Watch(t.Context(), newService()); err != nil || n.Managed() {
		t.Errorf("Watch: %v, Managed: %v", err, n.Managed())
	}
}

func TestManagerThatIsGoneIsLogged(t *testing.T) {
	t.Setenv("NOTIFY_SOCKET", filepath.Join(t.TempDir(), "gone"))
	var out strings.Builder
	systemd.NewNotifier(slog.New(slog.NewTextHandler(&out, nil))).Ready()
	if !strings.Contains(out.String(), "could not tell systemd the state") {
		t.Errorf("logged %q", out.String())
	}
}

// expectSilence shows that nothing was sent before a mark that is sent now.
func (m *manager) expectSilence(n *systemd.Notifier) {
	m.t.Helper()
	n.Stopping()
	if got := m.next(); got != "STOPPING=1" {
		m.t.Errorf("got %q while it was dead", got)
	}
}

// service is alive until dead is set; from then on each Alive blocks until the
// test receives from asked, or closes stop.
type service struct {
	dead        atomic.Bool
	asked, stop chan struct{}
}

func newService() *service { return &service{asked: make(chan struct{}), stop: make(chan struct{})} }

func (s *service) Alive() error {
	if s.dead.Load() {
		select {
		case s.asked <- struct{}{}:
		case <-s.stop:
		}
		return errors.New("the pipeline does not move")
	}
	return nil
}

func (s *service) Status() string {
	if s.dead.Load() {
		return "stuck"
	}
	return "following"
}

func TestWatchdogIsFedByLifeAlone(t *testing.T) {
	m := newManager(t)
	t.Setenv("WATCHDOG_USEC", "20000")
	t.Setenv("WATCHDOG_PID", strconv.Itoa(os.Getpid()))
	n, w := systemd.NewNotifier(silent), newService()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- n.Watch(ctx, w) }()
	if got := m.next(); got != "STATUS=following" {
		t.Errorf("got %q", got)
	}
	for range 3 {
		if got := m.next(); got != "WATCHDOG=1" {
			t.Errorf("got %q, want a sign of life", got)
		}
	}
	w.dead.Store(true)
	// A sign that was on its way when it died may still come.
	for got := m.next(); got != "STATUS=stuck"; got = m.next() {
		if got != "WATCHDOG=1" {
			t.Fatalf("got %q", got)
		}
	}
	<-w.asked // the check that began with this status
	<-w.asked // one that found it dead and, after it, the next
	m.expectSilence(n)
	w.dead.Store(false)
	close(w.stop)
	for got := m.next(); got != "STATUS=following"; got = m.next() {
		if got != "WATCHDOG=1" {
			t.Fatalf("got %q", got)
		}
	}
	if got := m.next(); got != "WATCHDOG=1" {
		t.Errorf("back to life, got %q", got)
	}
	cancel()
	if err := <-done; err != nil {
		t.Errorf("Watch: %v", err)
	}
}

func TestWatchdogOfAnotherProcessIsNotFed(t *testing.T) {
	m := newManager(t)
	t.Setenv("WATCHDOG_USEC", "1000")
	t.Setenv("WATCHDOG_PID", "1")
	n := systemd.NewNotifier(silent)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := n.Watch(ctx, newService()); err != nil {
		t.Fatal(err)
	}
	n.Ready() // to have something after which to stop reading
	for got := m.next(); got != "READY=1"; got = m.next() {
		if got == "WATCHDOG=1" {
			t.Error("fed a watchdog that is not ours")
		}
	}
}

func TestWatchRefusesNonsense(t *testing.T) {
	newManager(t)
	t.Setenv("WATCHDOG_USEC", "soon")
	if err := systemd.NewNotifier(silent).Watch(t.Context(), newService()); err == nil {
		t.Error("WATCHDOG_USEC=soon was accepted")
	}
}

// child serves one byte on each inherited socket of the name public and says
// what was left.
func child() int {
	l, err := systemd.Inherit()
	if err != nil {
		os.Stdout.WriteString("error " + err.Error() + "\n")
		return 0
	}
	again, err := systemd.Inherit()
	if err != nil || len(again.Left()) > 0 || os.Getenv("LISTEN_FDS") != "" {
		os.Stdout.WriteString("inherited twice\n")
		return 1
	}
	for ln := l.Take("public", "other"); ln != nil; ln = l.Take("public", "other") {
		conn, err := ln.Accept()
		if err != nil {
			os.Stdout.WriteString(err.Error() + "\n")
			return 1
		}
		conn.Write([]byte("!"))
		conn.Close()
		ln.Close()
	}
	os.Stdout.WriteString("left " + strings.Join(l.Left(), ",") + "\n")
	if l.Close() != nil || len(l.Left()) > 0 {
		return 1
	}
	return 0
}

// inherit runs the child with the files as systemd passes them.
func inherit(t *testing.T, names string, files ...*os.File) *exec.Cmd {
	t.Helper()
	// LISTEN_PID is the process's own, which exec keeps.
	cmd := exec.Command("/bin/sh", "-c", `LISTEN_PID=$$ exec "$0"`, os.Args[0])
	cmd.Env = append(os.Environ(), "SYSTEMD_TEST_CHILD=1", "LISTEN_FDS="+strconv.Itoa(len(files)), "LISTEN_FDNAMES="+names)
	cmd.ExtraFiles = files
	return cmd
}

func TestInherit(t *testing.T) {
	var files []*os.File
	var addresses []string
	for range 2 {
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		f, err := ln.(*net.TCPListener).File()
		if err != nil {
			t.Fatal(err)
		}
		files, addresses = append(files, f), append(addresses, ln.Addr().String())
		ln.Close()
		defer f.Close()
	}
	// The client is there before the process that will serve it.
	early, err := net.Dial("tcp", addresses[1])
	if err != nil {
		t.Fatal(err)
	}
	defer early.Close()
	out, err := inherit(t, "admin:public", files...).CombinedOutput()
	if err != nil || string(out) != "left admin\n" {
		t.Fatalf("%v: %s", err, out)
	}
	if got, err := io.ReadAll(early); err != nil || string(got) != "!" {
		t.Errorf("the early client read %q, %v", got, err)
	}
}

func TestInheritRefusesWhatIsNoListener(t *testing.T) {
	f, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	out, err := inherit(t, "public", f).CombinedOutput()
	if err != nil || !strings.HasPrefix(string(out), "error take over socket public from systemd (only ListenStream= will do)") {
		t.Errorf("%v: %s", err, out)
	}
}

func TestInheritNothing(t *testing.T) {
	l, err := systemd.Inherit()
	if err != nil || l.Take("public") != nil || l.Left() != nil || l.Close() != nil {
		t.Errorf("%v, %v", l, err)
	}
}
