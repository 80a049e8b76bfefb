//go:build linux && !race

package recv

import (
	"syscall"
	"unsafe"
)

// recvfrom is recvfrom(2), which does not wait. len(b) is not 0.
func recvfrom(fd uintptr, b []byte) (int, syscall.Errno) {
	n, _, errno := syscall.RawSyscall6(syscall.SYS_RECVFROM, fd, uintptr(unsafe.Pointer(&b[0])), uintptr(len(b)), syscall.MSG_DONTWAIT, 0, 0)
	return int(n), errno
}
