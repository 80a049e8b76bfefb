//go:build unix && !linux

package process

import "syscall"

// setDeathSignal does nothing: only Linux has such a signal.
func setDeathSignal(*syscall.SysProcAttr, syscall.Signal) {}
