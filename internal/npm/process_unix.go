//go:build unix && !linux

package npm

import (
	"os/exec"
	"syscall"
)

// ownGroup puts the process into a group of its own and has cancelling kill
// the group, because node may have started others, such as a browser.
func ownGroup(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
}
