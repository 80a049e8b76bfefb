package process

import (
	"os/exec"
	"runtime"
	"syscall"
)

// Child is a process that Start started. Its methods may be called from any
// goroutine.
type Child struct {
	PID  int
	done chan struct{}
	err  error // written before done is closed
}

// Start starts cmd in a process group of its own. deathSignal is what the child
// gets on Linux when this program ends. cmd.Wait must not be called.
//
// Linux sends it when the thread that started the child ends (prctl(2),
// PR_SET_PDEATHSIG), so the goroutine that does locks its thread until the child
// has ended.
func Start(cmd *exec.Cmd, deathSignal syscall.Signal) (*Child, error) {
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	cmd.SysProcAttr.Setpgid = true
	setDeathSignal(cmd.SysProcAttr, deathSignal)
	c := &Child{done: make(chan struct{})}
	started := make(chan error)
	go func() { // ends with the child
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		started <- err
		if err == nil {
			c.err = cmd.Wait()
			close(c.done)
		}
	}()
	if err := <-started; err != nil {
		return nil, err
	}
	c.PID = cmd.Process.Pid
	return c, nil
}

// Done is closed when the child has ended.
func (c *Child) Done() <-chan struct{} { return c.done }

// Wait waits for the child's end and returns the error of cmd.Wait.
func (c *Child) Wait() error {
	<-c.done
	return c.err
}

// Ended reports whether the child has ended.
func (c *Child) Ended() bool {
	select {
	case <-c.done:
		return true
	default:
		return false
	}
}

// KillGroup sends SIGKILL to the child and all that is in its group; no effect
// where they have ended.
func (c *Child) KillGroup() { _ = syscall.Kill(-c.PID, syscall.SIGKILL) }
