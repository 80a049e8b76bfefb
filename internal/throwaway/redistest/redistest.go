// Package redistest runs private Redis servers and Sentinels for tests, each in a
// directory of its own and on a port of 127.0.0.1. They end with the test, and with
// the program however that ends. Methods may be called from any goroutine.
package redistest

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"chatbridge/internal/ports"
	"chatbridge/internal/process"
)

// startTimeout bounds how long a server takes to answer.
const startTimeout = 20 * time.Second

// Server is a server of Redis, or a Sentinel.
type Server struct {
	// Addr is host:port, and stays.
	Addr string

	t       testing.TB
	program string
	args    []string
	env     []string // more than this program's
	child   *process.Child
	output  bytes.Buffer // only read when the process has ended
}

// Start starts a server that keeps nothing on disk, with more arguments, such as
// "--appendonly", "yes". Without the program in PATH the test is skipped, but not where
// CI is set.
func Start(t testing.TB, args ...string) *Server {
	t.Helper()
	return StartWith(t, nil, args...)
}

// StartWith is Start with more variables of the environment, as name=value.
func StartWith(t testing.TB, env []string, args ...string) *Server {
	t.Helper()
	s := prepare(t, "redis-server")
	s.env = env
	_, port, _ := net.SplitHostPort(s.Addr)
	s.args = append([]string{
		"--port", port, "--bind", "127.0.0.1", "--dir", t.TempDir(), "--save", "", "--appendonly", "no",
		"--repl-diskless-sync-delay", "0", "--repl-diskless-load", "swapdb",
	}, args...)
	s.Run()
	return s
}

// Replica starts a server that follows another one.
func Replica(t testing.TB, of *Server) *Server {
	t.Helper()
	host, port, _ := net.SplitHostPort(of.Addr)
	s := Start(t, "--replicaof", host, port)
	s.Await("the replica follows", func(ctx context.Context, c *redis.Client) bool {
		return bytes.Contains([]byte(c.Info(ctx, "replication").Val()), []byte("master_link_status:up"))
	})
	return s
}

// Sentinel starts a Sentinel, alone, that watches a server by a name.
func Sentinel(t testing.TB, name string, master *Server) *Server {
	t.Helper()
	s := prepare(t, "redis-sentinel")
	_, port, _ := net.SplitHostPort(s.Addr)
	host, masterPort, _ := net.SplitHostPort(master.Addr)
	file := filepath.Join(t.TempDir(), "sentinel.conf")
	text := fmt.Sprintf("port %s\nbind 127.0.0.1\nsentinel monitor %s %s %s 1\nsentinel down-after-milliseconds %s 500\nsentinel failover-timeout %s 5000\n",
		port, name, host, masterPort, name, name)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal("redistest:", err)
	}
	s.args = []string{file}
	s.Run()
	return s
}

func prepare(t testing.TB, program string) *Server {
	t.Helper()
	path, err := exec.LookPath(program)
	if err != nil && os.Getenv("CI") == "" {
		t.Skip("no " + program + " in PATH; scripts/prepare redis installs it")
	} else if err != nil {
		t.Fatal("redistest:", err)
	}
	addr, err := ports.Free()
	if err != nil {
		t.Fatal("redistest:", err)
	}
	s := &Server{Addr: addr, t: t, program: path}
	t.Cleanup(s.Kill)
	return s
}

// Run starts the server, again after Kill, and returns when it answers.
func (s *Server) Run() {
	s.t.Helper()
	cmd := exec.Command(s.program, s.args...)
	s.output.Reset()
	cmd.Stdout, cmd.Stderr = &s.output, &s.output
	cmd.Env = append(os.Environ(), s.env...)
	child, err := process.Start(cmd, syscall.SIGKILL)
	if err != nil {
		s.t.Fatal("redistest:", err)
	}
	s.child = child
	s.Await("it answers", func(ctx context.Context, c *redis.Client) bool { return c.Ping(ctx).Err() == nil })
}

// Kill ends the server with SIGKILL; no effect where it has ended.
func (s *Server) Kill() {
	if s.child != nil {
		s.child.KillGroup()
		_ = s.child.Wait()
	}
}

// Stop makes the server sleep, and Wake ends that. On Linux it sleeps when Stop returns.
func (s *Server) Stop() {
	_ = syscall.Kill(s.child.PID, syscall.SIGSTOP)
	for range 1000 {
		stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", s.child.PID))
		if _, state, ok := bytes.Cut(stat, []byte(") ")); err != nil || ok && state[0] == 'T' {
			return
		}
		time.Sleep(time.Millisecond) // polls another process
	}
}

// Cut ends the connections of the server's replicas, which must be asleep, so that they
// get nothing of what comes next.
func (s *Server) Cut() {
	s.t.Helper()
	s.Await("no replica is connected", func(ctx context.Context, c *redis.Client) bool {
		_ = c.ClientKillByFilter(ctx, "TYPE", "replica").Err()
		return bytes.Contains([]byte(c.Info(ctx, "replication").Val()), []byte("connected_slaves:0"))
	})
}

// Wake lets a server that was stopped go on.
func (s *Server) Wake() { _ = syscall.Kill(s.child.PID, syscall.SIGCONT) }

// URL is the server's address for cluster.redis_url.
func (s *Server) URL() string { return "redis://" + s.Addr }

// SentinelURL is the address of the server that a Sentinel knows by a name.
func (s *Server) SentinelURL(name string) string {
	return "redis://" + s.Addr + "?master_name=" + name
}

// Client returns a client that ends with the test.
func (s *Server) Client() *redis.Client {
	c := redis.NewClient(&redis.Options{Addr: s.Addr, MaxRetries: -1, DisableIdentity: true, Protocol: 2})
	s.t.Cleanup(func() { _ = c.Close() })
	return c
}

// Await polls the server until it is as it should be.
func (s *Server) Await(what string, ok func(context.Context, *redis.Client) bool) {
	s.t.Helper()
	c := redis.NewClient(&redis.Options{Addr: s.Addr, MaxRetries: -1, DisableIdentity: true, Protocol: 2, DialTimeout: time.Second})
	defer c.Close()
	ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
	defer cancel()
	for !ok(ctx, c) {
		if ctx.Err() != nil || s.child.Ended() {
			s.Kill()
			s.t.Fatalf("redistest: %s did not become true of %s\n%s", what, s.program, s.output.String())
		}
		time.Sleep(5 * time.Millisecond) // polls another process
	}
}
