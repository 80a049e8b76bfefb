package throwaway

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	"chatbridge/internal/process"
)

// outputTimeout is how long the output of a process is read after its end; a
// grandchild that outlives it may keep the pipe open.
const outputTimeout = 5 * time.Second

// program is a running program of Postgres.
type program struct{ *process.Child }

// start runs bin/name as the account; deathSignal is what it gets when this
// program ends.
func start(bin, name string, acc account, home string, out io.Writer, deathSignal syscall.Signal, args ...string) (*program, error) {
	cmd := exec.Command(filepath.Join(bin, name), args...)
	cmd.Dir = home
	cmd.Env = []string{
		"PATH=" + bin + string(filepath.ListSeparator) + os.Getenv("PATH"),
		"HOME=" + home, "LANG=C", "LC_ALL=C", "TZ=UTC",
	}
	cmd.Stdout, cmd.Stderr = out, out
	cmd.WaitDelay = outputTimeout
	if !acc.own {
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(acc.uid), Gid: uint32(acc.gid)}}
	}
	child, err := process.Start(cmd, deathSignal)
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	return &program{child}, nil
}

// wait waits for the program's end. When ctx ends first it kills the program
// with its process group, and returns ctx's error.
func (p *program) wait(ctx context.Context) error {
	select {
	case <-p.Done():
		return p.Wait()
	case <-ctx.Done():
		p.KillGroup()
		_ = p.Wait()
		return ctx.Err()
	}
}

// signal sends sig to the program; no error where it has ended.
func (p *program) signal(sig syscall.Signal) error {
	if p.Ended() {
		return nil
	}
	if err := syscall.Kill(p.PID, sig); err != nil && !errors.Is(err, syscall.ESRCH) {
		return fmt.Errorf("signal process %d: %w", p.PID, err)
	}
	return nil
}

// killAll kills a postmaster and all its children with SIGKILL; p may be nil.
// The children are not in its process group, because each calls setsid, so they
// are searched; the postmaster is stopped meanwhile so that it forks no more.
func (p *program) killAll() {
	if p == nil || p.Ended() {
		return
	}
	_ = syscall.Kill(p.PID, syscall.SIGSTOP)
	children := childrenOf(p.PID)
	_ = syscall.Kill(p.PID, syscall.SIGKILL)
	for _, pid := range children {
		_ = syscall.Kill(pid, syscall.SIGKILL)
	}
	_ = p.Wait()
}
