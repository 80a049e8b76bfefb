package failover

import (
	"os/exec"
	"runtime"
)

// start starts a program in a process group of its own and returns a channel
// that is closed when it has ended. Where the system can do that, it does not
// outlive us.
func start(cmd *exec.Cmd) (ended <-chan struct{}, err error) {
	cmd.SysProcAttr = ownGroup()
	started, done := make(chan error, 1), make(chan struct{})
	go func() { // joined by done
		// Linux sends the death signal when the thread that started the process
		// ends; a locked one lives until here.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		defer close(done)
		err := cmd.Start()
		started <- err
		if err == nil {
			_ = cmd.Wait() // how it ended is no matter
		}
	}()
	if err := <-started; err != nil {
		<-done
		return nil, err
	}
	return done, nil
}
