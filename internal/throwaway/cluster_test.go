package throwaway_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"chatbridge/internal/throwaway"
	"chatbridge/internal/throwaway/pgtest"

	"github.com/jackc/pgx/v5"
	"go.uber.org/goleak"
)

// helperEnv makes the test binary a program that starts a cluster, prints its
// directory and its postmaster's pid, and waits to be killed.
const helperEnv = "THROWAWAY_TEST_HELPER"

func TestMain(m *testing.M) {
	if os.Getenv(helperEnv) != "" {
		c, err := throwaway.Start(context.Background(), throwaway.Options{})
		if err != nil {
			fmt.Println("error:", err)
			os.Exit(1)
		}
		pid, err := os.ReadFile(filepath.Join(c.Dir(), "data", "postmaster.pid"))
		if err != nil {
			fmt.Println("error:", err)
			os.Exit(1)
		}
		fmt.Println(c.Dir(), strings.SplitN(string(pid), "\n", 2)[0])
		<-c.Done()
		os.Exit(0)
	}
	goleak.VerifyTestMain(m)
}

func start(t *testing.T, opts throwaway.Options) *throwaway.Cluster {
	t.Helper()
	c, err := throwaway.Start(t.Context(), opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Stop(context.WithoutCancel(t.Context())); err != nil {
			t.Error(err)
		}
	})
	return c
}

// ask runs a query that gives one text.
func ask(t *testing.T, url, sql string) string {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	var s string
	if err := conn.QueryRow(t.Context(), sql).Scan(&s); err != nil {
		t.Fatal(err)
	}
	return s
}

func postmaster(t *testing.T, c *throwaway.Cluster) int {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(c.Dir(), "data", "postmaster.pid"))
	if err != nil {
		t.Fatal(err)
	}
	pid, err := strconv.Atoi(strings.SplitN(string(b), "\n", 2)[0])
	if err != nil {
		t.Fatal(err)
	}
	return pid
}

func alive(pid int) bool { return !errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) }

func TestClusterLife(t *testing.T) {
	ctx := t.Context()
	c := start(t, throwaway.Options{TCP: true, Settings: map[string]string{"log_statement": "all"}})
	for _, url := range []string{c.URL("postgres"), c.SocketURL("postgres")} {
		if got := ask(t, url, "select current_setting('wal_level') || ' ' || current_setting('log_statement')"); got != "logical all" {
			t.Errorf("%s: settings are %q", url, got)
		}
	}
	if err := pgtest.Exec(ctx, c.URL("postgres"), "create table t as select 'kept'::text as v"); err != nil {
		t.Fatal(err)
	}
	for _, mode := range []string{"fast", "immediate"} {
		before := c.Port()
		if err := c.Restart(ctx, mode); err != nil {
			t.Fatal(err)
		}
		if got := ask(t, c.URL("postgres"), "select v from t"); got != "kept" || c.Port() != before {
			t.Errorf("after a %s restart: %q on port %d, was %d", mode, got, c.Port(), before)
		}
	}
	c.Kill()
	if err := c.StartAgain(ctx); err != nil {
		t.Fatal(err)
	}
	if got := ask(t, c.URL("postgres"), "select v from t"); got != "kept" {
		t.Errorf("after a kill: %q", got)
	}
	pid, dir := postmaster(t, c), c.Dir()
	if err := c.Stop(ctx); err != nil {
		t.Fatal(err)
	}
	if err := c.Stop(ctx); err != nil {
		t.Error("a second Stop:", err)
	}
	if alive(pid) {
		t.Error("the postmaster is alive after Stop")
	}
	if _, err := os.Stat(dir); !errors.Is(err, os.ErrNotExist) {
		t.Error("the directory is there after Stop:", err)
	}
}

func TestStopAfterKillLeavesNoSharedMemory(t *testing.T) {
	if _, err := os.Stat("/proc/sysvipc/shm"); err != nil {
		t.Skip("no list of System V shared memory here")
	}
	c := start(t, throwaway.Options{})
	b, err := os.ReadFile(filepath.Join(c.Dir(), "data", "postmaster.pid"))
	if err != nil {
		t.Fatal(err)
	}
	id := strings.Fields(strings.Split(string(b), "\n")[6])[1]
	listed := func() bool {
		list, err := os.ReadFile("/proc/sysvipc/shm")
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(list)) {
			if f := strings.Fields(line); len(f) > 1 && f[1] == id {
				return true
			}
		}
		return false
	}
	if !listed() {
		t.Fatalf("segment %s of the running server is not listed", id)
	}
	c.Kill()
	if err := c.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	if listed() {
		t.Errorf("segment %s is left", id)
	}
}

func TestStartCancelledLeavesNothing(t *testing.T) {
	t.Setenv("TMPDIR", shortDir(t))
	for _, after := range []time.Duration{0, 50 * time.Millisecond, 300 * time.Millisecond} {
		ctx, cancel := context.WithTimeout(t.Context(), after)
		c, err := throwaway.Start(ctx, throwaway.Options{})
		cancel()
		if err == nil {
			t.Errorf("cancelled after %v: it started", after)
			_ = c.Stop(t.Context())
		} else if !errors.Is(err, context.DeadlineExceeded) && after > 0 {
			t.Errorf("cancelled after %v: error is %v", after, err)
		}
		left, err := os.ReadDir(os.TempDir())
		if err != nil || len(left) > 0 {
			t.Errorf("cancelled after %v: left %v (%v)", after, left, err)
		}
	}
}

// shortDir returns a new directory that the server's user may pass through
// and whose path leaves room for a socket's name.
func shortDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("/tmp", "tw")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestStartTellsWhatTheServerSaid(t *testing.T) {
	t.Setenv("TMPDIR", shortDir(t))
	_, err := throwaway.Start(t.Context(), throwaway.Options{Settings: map[string]string{"wal_level": "loud"}})
	if err == nil || !strings.Contains(err.Error(), "loud") {
		t.Errorf("error does not show the server's words: %v", err)
	}
	if left, _ := os.ReadDir(os.TempDir()); len(left) > 0 {
		t.Errorf("left %v", left)
	}
}

func TestFindSaysHowToGetIt(t *testing.T) {
	_, err := throwaway.Find(t.Context(), "7")
	var missing *throwaway.NotFoundError
	if !errors.As(err, &missing) || missing.Version != "7" || !strings.Contains(err.Error(), throwaway.BinEnv) {
		t.Errorf("got %v", err)
	}
}

// TestDiesWithItsProgram kills a program that runs a cluster and expects the
// server to end, and the next start to remove the directory.
func TestDiesWithItsProgram(t *testing.T) {
	if _, err := os.Stat("/proc/self/stat"); err != nil {
		t.Skip("only Linux ends a child with its parent")
	}
	tmp := shortDir(t)
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), helperEnv+"=1", "TMPDIR="+tmp)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var dir string
	var pid int
	if _, err := fmt.Fscan(out, &dir, &pid); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	for deadline := time.Now().Add(20 * time.Second); alive(pid); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("postmaster %d is alive 20 s after its program was killed", pid)
		}
	}
	old := time.Now().Add(-time.Hour)
	if err := os.Chtimes(filepath.Join(dir, "lock"), old, old); err != nil {
		t.Fatal(err)
	}
	t.Setenv("TMPDIR", tmp)
	c := start(t, throwaway.Options{})
	if _, err := os.Stat(dir); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("%s is still there after the next start (%v)", dir, err)
	}
	if _, err := os.Stat(c.Dir()); err != nil {
		t.Error("the new cluster's directory:", err)
	}
}

// TestAWrongDirectoryIsAnError: no other is used in the place of a named one.
func TestAWrongDirectoryIsAnError(t *testing.T) {
	t.Setenv(throwaway.BinEnv, t.TempDir())
	if dir, err := throwaway.Find(t.Context(), ""); err == nil || !strings.Contains(err.Error(), throwaway.BinEnv) {
		t.Errorf("found %q, error %v", dir, err)
	}
}
