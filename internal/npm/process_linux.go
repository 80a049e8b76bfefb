package npm

import (
	"os/exec"
	"syscall"
)

// ownGroup puts the process into a group of its own and has cancelling kill
// the group, because node may have started others, such as a browser. If we
// die without cancelling (a test that panics), the kernel kills node.
func ownGroup(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
}
