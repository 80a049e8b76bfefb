package process

import "syscall"

// setDeathSignal makes the kernel send sig to the child when its parent ends.
func setDeathSignal(attr *syscall.SysProcAttr, sig syscall.Signal) { attr.Pdeathsig = sig }
