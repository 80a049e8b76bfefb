package pgtest

import (
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"chatbridge/internal/ports"
)

// Pooler starts PgBouncer in transaction mode before the server of an address over TCP,
// and returns the address of the same database through it. Without the program the test
// is skipped.
func Pooler(t testing.TB, address string) string {
	t.Helper()
	program, err := exec.LookPath("pgbouncer")
	if err != nil {
		if program, err = exec.LookPath("/usr/sbin/pgbouncer"); err != nil {
			t.Skip("no pgbouncer: scripts/prepare pgbouncer installs it")
		}
	}
	to, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	password, _ := to.User.Password()
	listen, err := ports.Free()
	if err != nil {
		t.Fatal(err)
	}
	_, port, _ := net.SplitHostPort(listen)
	dir := t.TempDir()
	for name, text := range map[string]string{
		"pgbouncer.ini": fmt.Sprintf("[databases]\n* = host=%s port=%s\n[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = %s\nunix_socket_dir =\n"+
			"auth_type = plain\nauth_file = %s/users\npool_mode = transaction\nserver_tls_sslmode = prefer\n", to.Hostname(), to.Port(), port, dir),
		"users": fmt.Sprintf("%q %q\n", to.User.Username(), password),
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	args := []string{filepath.Join(dir, "pgbouncer.ini")}
	if os.Getuid() == 0 { // it does not run as root
		args = append([]string{"-u", "nobody"}, args...)
		for d := dir; d != os.TempDir() && d != "/"; d = filepath.Dir(d) {
			if err := os.Chmod(d, 0o755); err != nil {
				t.Fatal(err)
			}
		}
	}
	cmd := exec.Command(program, args...)
	output := &strings.Builder{}
	cmd.Stdout, cmd.Stderr = output, output
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() { defer close(ended); _ = cmd.Wait() }()
	t.Cleanup(func() { _ = cmd.Process.Kill(); <-ended })
	for deadline := time.Now().Add(clusterTimeout); ; time.Sleep(5 * time.Millisecond) {
		conn, err := net.Dial("tcp", listen)
		if err == nil {
			_ = conn.Close()
			break
		}
		select {
		case <-ended:
			t.Fatalf("pgbouncer ended: %s", output)
		default:
		}
		if time.Now().After(deadline) {
			t.Fatal(err)
		}
	}
	to.Host, to.RawQuery = listen, "sslmode=disable"
	return to.String()
}
