//go:build linux

package main

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	"chatbridge/bench/internal/proc"
	"chatbridge/internal/ports"
)

// server is a bridge that runs as a process of its own.
type server struct {
	cmd  *exec.Cmd
	addr string
	// ready is the path that answers 200 once it follows the database.
	ready string
	err   bytes.Buffer
}

// start starts a bridge and waits until it follows the database.
func (b *bench) start(ctx context.Context, name, dsn, slot string) (*server, error) {
	addr, err := ports.Free()
	if err != nil {
		return nil, err
	}
	s, err := b.launch(ctx, name, dsn, slot, addr)
	if err != nil {
		return nil, err
	}
	if err := s.await(ctx); err != nil {
		s.stop()
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return s, nil
}

// launch starts a bridge that is to listen on addr.
func (b *bench) launch(ctx context.Context, name, dsn, slot, addr string) (*server, error) {
	_, port, _ := net.SplitHostPort(addr)
	s := &server{addr: addr, ready: "/readyz"}
	switch name {
	case "bridge", "before":
		s.cmd = exec.CommandContext(ctx, filepath.Join(b.dir, name), "serve", "--log.level=warn")
		s.cmd.Env = append(os.Environ(), "CHATENGINE_JWT_SECRET="+secret, "BRIDGE_SOURCE_POSTGRES_SLOT="+slot, "BRIDGE_ADMIN_LISTEN=")
	case "node":
		s.cmd = exec.CommandContext(ctx, "node", filepath.Join(b.npm, "bridge.mjs"))
		s.cmd.Env = append(os.Environ(), b.nodeEnv...)
		// It listens once it follows the database.
		s.ready = "/api/ws/?EIO=4&transport=polling"
	default:
		return nil, fmt.Errorf("there is no target %q", name)
	}
	s.cmd.Env = append(s.cmd.Env, "DATABASE_URL="+dsn, "PORT="+port)
	s.cmd.Stderr = &s.err
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	return s, s.cmd.Start()
}

// await waits until it follows the database.
func (s *server) await(ctx context.Context) error {
	for range 1000 {
		if res, err := http.Get("http://" + s.addr + s.ready); err == nil {
			_ = res.Body.Close()
			if res.StatusCode == http.StatusOK {
				return nil
			}
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(20 * time.Millisecond):
		}
	}
	return fmt.Errorf("not ready after 20 s: %s", s.err.String())
}

// end has it end by itself.
func (s *server) end() error {
	if err := s.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	return s.cmd.Wait()
}

func (s *server) stop() {
	_ = s.cmd.Process.Kill()
	_ = s.cmd.Wait()
}

// peak returns the most memory that the server has held so far, in MB.
func (s *server) peak() (float64, error) {
	kb, err := proc.Memory(s.cmd.Process.Pid, "VmHWM")
	return float64(kb) / 1000, err
}
