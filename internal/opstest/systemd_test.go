package opstest_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"chatbridge/bridge/auth"
	"chatbridge/internal/schemas"
	"chatbridge/internal/sioclient"
	"chatbridge/internal/throwaway/pgtest"
)

const workspace = "6f6b1d4e-5f0a-4a34-9d3f-0d8c0d5b7c11"

// credentials is a directory as LoadCredential= makes it.
func credentials(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		write(t, filepath.Join(dir, name), text)
	}
	return dir
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func signed(t *testing.T, secret string) string {
	t.Helper()
	s, err := auth.Sign(secret, workspace, "user-1", "", "", time.Now(), time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// connect returns nil once a client with a token signed with secret is in, and
// the refusal else.
func connect(t *testing.T, address, secret string) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), waitLimit)
	defer cancel()
	in := false
	c, err := sioclient.New(sioclient.Options{
		URL: "http://" + address, Auth: map[string]any{"token": signed(t, secret)},
		OnConnect: func(sioclient.Session) { in = true; cancel() },
	})
	if err != nil {
		t.Fatal(err)
	}
	err = c.Run(ctx)
	if err == nil && !in {
		err = errors.New("no answer")
	}
	return err
}

// TestUnderSystemd plays the service manager of configs/bridge.service: it
// holds the socket, passes the credentials, listens for notifications, feeds
// on the watchdog's signs, reloads and stops.
func TestUnderSystemd(t *testing.T) {
	db := pgtest.DB(t, schemas.CRM)
	creds := credentials(t, map[string]string{"source.postgres.url": db, "auth.chatengine_secret": "old-secret-old-secret"})
	config := filepath.Join(t.TempDir(), "bridge.yaml")
	admin := freeAddress(t)
	const settings = "admin:\n  listen: %s\nlog:\n  level: %s\nlimits:\n  connections: %d\nreplay:\n  window: %s\ncors:\n  origins: [%s]\n"
	write(t, config, fmt.Sprintf(settings, admin, "info", 100, "60s", "https://one.example"))
	address, socket := holder(t)
	m := newManager(t)
	p := start(t, setup{
		args: []string{"serve", "--config", config}, listeners: []*os.File{socket}, names: "public",
		env: []string{
			"NOTIFY_SOCKET=" + m.path, "WATCHDOG_USEC=200000", "CREDENTIALS_DIRECTORY=" + creds,
			"BRIDGE_REPLAY_STATE_FILE=" + filepath.Join(t.TempDir(), "state"),
		},
	})
	m.await("READY=1")
	if got := p.line("took_over_a_socket_from_systemd", 1)["address"]; got != address {
		t.Errorf("took over %v, want %s", got, address)
	}
	m.await("WATCHDOG=1")
	m.await("STATUS=streaming")
	get(t, "http://"+address+"/readyz", 200)
	if err := connect(t, address, "old-secret-old-secret"); err != nil {
		t.Errorf("a client with the old secret: %v", err)
	}

	// SIGHUP: secrets, origins, limits and the level change; the window
	// cannot, and that is said.
	write(t, filepath.Join(creds, "auth.chatengine_secret"), "new-secret-new-secret")
	write(t, config, fmt.Sprintf(settings, admin, "debug", 200, "90s", "https://two.example"))
	p.signal(syscall.SIGHUP)
	if got := m.await("RELOADING=1"); !strings.Contains(got, "\nMONOTONIC_USEC=") {
		t.Errorf("%q lacks the time", got)
	}
	m.await("READY=1")
	want := []any{"cors.origins", "limits.connections", "auth.chatengine_secret", "log.level"}
	changed, _ := p.line("reloaded_the_configuration", 1)["changed"].([]any)
	for _, key := range want {
		if !slices.Contains(changed, key) || len(changed) != len(want) {
			t.Fatalf("reloaded %v, want %v", changed, want)
		}
	}
	if restart := p.line("settings_have_changed_that_take_a_restart", 1)["settings"]; fmt.Sprint(restart) != "[replay.window]" {
		t.Errorf("%v take a restart, want replay.window", restart)
	}
	if err := connect(t, address, "new-secret-new-secret"); err != nil {
		t.Errorf("a client with the new secret: %v", err)
	}
	var refusal *sioclient.ConnectError
	if err := connect(t, address, "old-secret-old-secret"); !errors.As(err, &refusal) || refusal.Code() != auth.CodeTokenSignature {
		t.Errorf("a client with the old secret after the change: %v", err)
	}

	// A configuration that is wrong changes nothing.
	write(t, config, "listn: :1\n")
	p.signal(syscall.SIGHUP)
	m.await("RELOADING=1")
	m.await("READY=1")
	if why := fmt.Sprint(p.line("the_configuration_was_not_reloaded_and_is_kept_as_it_was", 1)["error"]); !strings.Contains(why, `did you mean "listen"`) {
		t.Errorf("the log says %q", why)
	}
	if err := connect(t, address, "new-secret-new-secret"); err != nil {
		t.Errorf("after a reload that was refused: %v", err)
	}
	text := get(t, "http://"+admin+"/metrics", 200)
	for _, line := range []string{
		`bridge_config_reloads_total{result="ok"} 1`, `bridge_config_reloads_total{result="failed"} 1`, `bridge_config_reload_ok 0`,
	} {
		if !strings.Contains(text, "\n"+line+"\n") {
			t.Errorf("/metrics lacks %s", line)
		}
	}

	p.signal(syscall.SIGTERM)
	m.await("STOPPING=1")
	if code := p.end(); code != 0 {
		t.Errorf("exit code %d after SIGTERM", code)
	}
	if log := p.log(); strings.Contains(log, "secret-old") || strings.Contains(log, "secret-new") || strings.Contains(log, "eyJ") {
		t.Error("a secret or a token is in the log")
	}
}

// TestRestartRefusesNobody restarts the service while clients connect all the
// time: every connection is accepted and answered, because systemd holds the
// socket. Five times; BRIDGE_TEST_RESTARTS says otherwise.
func TestRestartRefusesNobody(t *testing.T) {
	db := pgtest.DB(t, schemas.CRM)
	address, socket := holder(t)
	m := newManager(t)
	service := setup{
		args: []string{"serve", "--admin.listen="}, listeners: []*os.File{socket}, names: "public",
		env: []string{"NOTIFY_SOCKET=" + m.path, "DATABASE_URL=" + db, "CHATENGINE_JWT_SECRET=secret"},
	}
	p := start(t, service)
	m.await("READY=1")

	stop, asked, answered := make(chan struct{}), make(chan result, 1), make(chan struct{})
	go func() { asked <- askUntil(stop, address, answered) }()
	restarts := 5
	if n, err := strconv.Atoi(os.Getenv("BRIDGE_TEST_RESTARTS")); err == nil {
		restarts = n
	}
	for range restarts {
		for range 20 { // between two restarts
			select {
			case <-answered:
			case r := <-asked:
				t.Fatalf("%d answers, then %v", r.answered, r.err)
			}
		}
		p.stop()
		p = start(t, service)
		m.await("READY=1")
	}
	close(stop)
	r := <-asked
	if r.err != nil || r.answered < 20*restarts {
		t.Errorf("%d answers, then %v", r.answered, r.err)
	}
	t.Logf("%d connections over %d restarts, all answered", r.answered, restarts)
	p.stop()
}

type result struct {
	answered int
	err      error
}

// askUntil makes one new connection after the other and asks on it whether
// the process serves, and tells of each answer whoever wants to know.
func askUntil(stop <-chan struct{}, address string, answered chan<- struct{}) result {
	for n := 0; ; n++ {
		select {
		case <-stop:
			return result{n, nil}
		default:
		}
		conn, err := net.DialTimeout("tcp", address, waitLimit)
		if err != nil {
			return result{n, err}
		}
		err = conn.SetDeadline(time.Now().Add(waitLimit))
		if err == nil {
			_, err = conn.Write([]byte("GET /healthz HTTP/1.1\r\nHost: bridge\r\nConnection: close\r\n\r\n"))
		}
		buf := make([]byte, 12)
		if err == nil {
			_, err = conn.Read(buf)
		}
		conn.Close()
		if err != nil || string(buf) != "HTTP/1.1 200" {
			return result{n, fmt.Errorf("connection %d: %q, %w", n, buf, err)}
		}
		select {
		case answered <- struct{}{}:
		case <-stop:
		case <-time.After(time.Millisecond): // nobody counts: it restarts
		}
	}
}

// TestCrashIsNoWrongConfiguration: the unit does not start the service again
// after exit code 2, and a Go program that crashes exits with 2 unless
// GOTRACEBACK says otherwise, as the unit does.
func TestCrashIsNoWrongConfiguration(t *testing.T) {
	unit := parseUnit(t, "configs", "bridge.service")
	db := pgtest.DB(t, schemas.CRM)
	p := start(t, setup{
		args: []string{"serve", "--admin.listen=", "--listen=127.0.0.1:0"},
		env:  append(unit.all("Service", "Environment"), "BRIDGE_REPLAY_STATE_FILE=", "DATABASE_URL="+db, "CHATENGINE_JWT_SECRET=secret"),
	})
	p.line("configuration", 1)
	p.signal(syscall.SIGABRT) // the watchdog's
	p.end()
	status := p.cmd.ProcessState.Sys().(syscall.WaitStatus)
	if !status.Signaled() || status.Signal() != syscall.SIGABRT {
		t.Errorf("ended by %v (exit code %d), want by SIGABRT", status.Signal(), status.ExitStatus())
	}
	if !strings.Contains(p.log(), "goroutine ") {
		t.Error("the journal would have no stack trace")
	}
	if code := unit.one("Service", "RestartPreventExitStatus"); code != strconv.Itoa(2) {
		t.Errorf("RestartPreventExitStatus=%s", code)
	}
	p = start(t, setup{args: []string{"serve"}})
	if code := p.end(); code != 2 {
		t.Errorf("exit code %d without a configuration, want 2", code)
	}
}

// TestJournalPriorities connects standard error as systemd does.
func TestJournalPriorities(t *testing.T) {
	path := filepath.Join(t.TempDir(), "journal")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var id syscall.Stat_t
	if err := syscall.Fstat(int(f.Fd()), &id); err != nil {
		t.Fatal(err)
	}
	// An address that nobody listens at: a warning or an error must come.
	cmd := command(t, "serve", "--listen=127.0.0.1:0", "--admin.listen=")
	cmd.Env = []string{
		fmt.Sprintf("JOURNAL_STREAM=%d:%d", id.Dev, id.Ino),
		"DATABASE_URL=postgres://a:hunter22@" + freeAddress(t) + "/db", "CHATENGINE_JWT_SECRET=secret",
	}
	cmd.Stderr = f
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer cmd.Process.Kill()
	var lines []string
	for deadline := time.Now().Add(waitLimit); ; time.Sleep(20 * time.Millisecond) {
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		lines = strings.Split(strings.TrimSpace(string(b)), "\n")
		if strings.Contains(string(b), "\n<4>{") || strings.Contains(string(b), "\n<3>{") {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("no warning in the journal: %s", b)
		}
	}
	for _, line := range lines {
		level, ok := map[string]string{"<6>": "INFO", "<4>": "WARN", "<3>": "ERROR"}[line[:min(3, len(line))]]
		if !ok || !strings.Contains(line, `"level":"`+level+`"`) {
			t.Errorf("line %q", line)
		}
		if strings.Contains(line, "hunter22") {
			t.Errorf("a password is in the log: %s", line)
		}
	}
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("after SIGTERM: %v", err)
	}
}
