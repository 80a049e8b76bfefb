//go:build unix

package throwaway

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"syscall"
	"time"
)

// pipePatience is how long the output of a process is read after its end; a
// grandchild that outlives it may hold the pipe open.
const pipePatience = 5 * time.Second

// process is one child that we started, and its end.
type process struct {
	pid  int
	done chan struct{} // closed when the child has been waited for
	err  error         // its end; read after done
}

// start runs bin/name as the account, in a process group of its own.
//
// On Linux the child gets a signal when the *thread* that started it ends
// (prctl(2), PR_SET_PDEATHSIG), so the goroutine that starts it keeps its
// thread until the child has ended. deathSignal is what the child gets.
func start(bin, name string, acc account, home string, out io.Writer, deathSignal syscall.Signal, args ...string) (*process, error) {
	cmd := exec.Command(filepath.Join(bin, name), args...)
	cmd.Dir = home
	cmd.Env = []string{
		"PATH=" + bin + string(filepath.ListSeparator) + os.Getenv("PATH"),
		"HOME=" + home, "LANG=C", "LC_ALL=C", "TZ=UTC",
	}
	cmd.Stdout, cmd.Stderr = out, out
	cmd.WaitDelay = pipePatience
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	setDeathSignal(cmd.SysProcAttr, deathSignal)
	if !acc.own {
		cmd.SysProcAttr.Credential = &syscall.Credential{Uid: uint32(acc.uid), Gid: uint32(acc.gid)}
	}
	p := &process{done: make(chan struct{})}
	started := make(chan error)
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		started <- err
		if err != nil {
			return
		}
		p.err = cmd.Wait()
		close(p.done)
	}()
	if err := <-started; err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	p.pid = cmd.Process.Pid
	return p, nil
}

// wait waits for the child's end. When ctx ends first it kills the child with
// its process group, and returns ctx's error.
func (p *process) wait(ctx context.Context) error {
	select {
	case <-p.done:
		return p.err
	case <-ctx.Done():
		_ = syscall.Kill(-p.pid, syscall.SIGKILL)
		<-p.done
		return ctx.Err()
	}
}

// ended reports whether the child has ended.
func (p *process) ended() bool {
	select {
	case <-p.done:
		return true
	default:
		return false
	}
}

// signal sends sig to the child; that it is gone already is no error.
func (p *process) signal(sig syscall.Signal) error {
	if p.ended() {
		return nil
	}
	if err := syscall.Kill(p.pid, sig); err != nil && !errors.Is(err, syscall.ESRCH) {
		return fmt.Errorf("signal process %d: %w", p.pid, err)
	}
	return nil
}

// killAll kills a postmaster and all its children with SIGKILL. The children
// are not in its process group, because each calls setsid, so they are looked
// up; the postmaster is stopped meanwhile so that it forks no more.
func (p *process) killAll() {
	if p.ended() {
		return
	}
	_ = syscall.Kill(p.pid, syscall.SIGSTOP)
	children := childrenOf(p.pid)
	_ = syscall.Kill(p.pid, syscall.SIGKILL)
	for _, pid := range children {
		_ = syscall.Kill(pid, syscall.SIGKILL)
	}
	<-p.done
}
