package opstest_test

import (
	"crypto/tls"
	"fmt"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"chatbridge/internal/selfsigned"
)

// certificate writes a self-signed one that ends at until, and its key.
func certificate(t *testing.T, certFile, keyFile string, until time.Time) {
	t.Helper()
	cert, key, err := selfsigned.New(until, "chat.example.com")
	if err != nil {
		t.Fatal(err)
	}
	write(t, certFile, string(cert))
	write(t, keyFile, string(key))
}

// TestTLSReload: other files, named in the configuration, are served after a
// SIGHUP; files that do not load change nothing; the health check and the
// metrics know of TLS.
func TestTLSReload(t *testing.T) {
	dir := t.TempDir()
	config, certFile, keyFile := filepath.Join(dir, "bridge.yaml"), filepath.Join(dir, "a.pem"), filepath.Join(dir, "a.key")
	first, second := time.Now().Add(48*time.Hour).Truncate(time.Second), time.Now().Add(96*time.Hour).Truncate(time.Second)
	certificate(t, certFile, keyFile, first)
	public, admin := freeAddress(t), freeAddress(t)
	configure := func(cert, key string) {
		write(t, config, fmt.Sprintf("listen: %s\nadmin:\n  listen: %s\ntls:\n  cert_file: %s\n  key_file: %s\n", public, admin, cert, key))
	}
	configure(certFile, keyFile)
	// The database is away, which is no reason not to serve.
	env := []string{"DATABASE_URL=postgres://a:b@" + freeAddress(t) + "/db", "CHATENGINE_JWT_SECRET=secret"}
	p := start(t, setup{args: []string{"serve", "--config", config}, env: env})
	p.line("serving", 1)
	served := func() time.Time {
		t.Helper()
		conn, err := tls.Dial("tcp", public, &tls.Config{InsecureSkipVerify: true})
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		return conn.ConnectionState().PeerCertificates[0].NotAfter
	}
	if got := served(); !got.Equal(first) {
		t.Errorf("serves a certificate until %v, want %v", got, first)
	}
	check := command(t, "healthcheck", "--config", config)
	check.Env = env
	if out, err := check.CombinedOutput(); err != nil || string(out) != "ok: the process serves\n" {
		t.Errorf("healthcheck: %v: %s", err, out)
	}

	other, otherKey := filepath.Join(dir, "b.pem"), filepath.Join(dir, "b.key")
	certificate(t, other, otherKey, second)
	configure(other, otherKey)
	p.signal(syscall.SIGHUP)
	if changed := fmt.Sprint(p.line("reloaded_the_configuration", 1)["changed"]); changed != "[tls.cert_file tls.key_file]" {
		t.Errorf("reloaded %s", changed)
	}
	if got := served(); !got.Equal(second) {
		t.Errorf("after the reload it serves a certificate until %v, want %v", got, second)
	}
	text := get(t, "http://"+admin+"/metrics", 200)
	want := fmt.Sprintf("bridge_tls_certificate_expires_timestamp_seconds %v\n", float64(second.Unix()))
	if !strings.Contains(text, want) {
		t.Errorf("/metrics lacks %s", want)
	}

	configure(other, keyFile) // do not belong together
	p.signal(syscall.SIGHUP)
	p.line("the_configuration_was_not_reloaded_and_is_kept_as_it_was", 1)
	if got := served(); !got.Equal(second) {
		t.Errorf("after a reload that was refused it serves a certificate until %v", got)
	}
	p.stop()
}
