package postgres_test

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"chatbridge/internal/selfsigned"
	"chatbridge/internal/throwaway"
	"chatbridge/internal/throwaway/pgtest"
	"chatbridge/source/postgres"
)

// TestTLS: the halves of the socket are used by two goroutines, reads are
// woken, and the end is orderly over TLS as well.
func TestTLS(t *testing.T) {
	t.Parallel()
	c := pgtest.Cluster(t, throwaway.Options{TCP: true})
	ca := certificate(t, filepath.Join(c.Dir(), "data"))
	plain := pgtest.On(t, c, simple)
	exec(t, plain, `alter system set ssl = on`, `select pg_reload_conf()`)
	url := strings.Replace(plain, "sslmode=disable", "sslmode=verify-full&sslrootcert="+ca, 1)
	// A reload takes a moment to reach new connections.
	for deadline := time.Now().Add(waitLimit); pgtest.Exec(t.Context(), url) != nil; time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal(pgtest.Exec(t.Context(), url))
		}
	}
	src, rec := start(t, postgres.Options{URL: url, Ping: 500 * time.Millisecond})
	awaitSlot(t, plain, `select ssl from pg_stat_ssl where pid = active_pid`)
	exec(t, plain, `insert into t select i, repeat('x', 500) from generate_series(1, 5000) i`, `insert into t values (5001)`)
	checkIDs(t, rec, 5001)
	handled := src.Stats().Handled
	if err := src.stop(); err != nil {
		t.Fatal(err)
	}
	awaitSlot(t, plain, `not active and confirmed_flush_lsn >= '`+handled.String()+`'`)
}

// certificate writes server.key and server.crt for 127.0.0.1 into dir, owned
// by its owner, and returns the path of a copy of the certificate.
func certificate(t testing.TB, dir string) string {
	t.Helper()
	crt, key, err := selfsigned.New(time.Now().Add(time.Hour), "127.0.0.1")
	if err != nil {
		t.Fatal(err)
	}
	files := map[string][]byte{filepath.Join(dir, "server.crt"): crt, filepath.Join(dir, "server.key"): key}
	info, err := os.Stat(dir)
	if err != nil {
		t.Fatal(err)
	}
	owner := info.Sys().(*syscall.Stat_t)
	for path, content := range files {
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chown(path, int(owner.Uid), int(owner.Gid)); err != nil {
			t.Fatal(err)
		}
	}
	ca := filepath.Join(t.TempDir(), "ca.crt")
	if err := os.WriteFile(ca, crt, 0o600); err != nil {
		t.Fatal(err)
	}
	return ca
}
