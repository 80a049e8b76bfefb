//go:build !plainsend

package engineio

import (
	"syscall"
	"unsafe"
)

// send is send(2), made without telling Go's scheduler (syscall.RawSyscall6). That is
// allowed for a call that cannot block, and matters because a write of one frame is
// most of what the server does: see docs/hot-path/socketio.md.
func send(fd uintptr, data []byte) (int, syscall.Errno) {
	n, _, errno := syscall.RawSyscall6(syscall.SYS_SENDTO, fd, uintptr(unsafe.Pointer(&data[0])),
		uintptr(len(data)), syscall.MSG_DONTWAIT|syscall.MSG_NOSIGNAL, 0, 0)
	return int(n), errno
}
