//go:build linux && race

package recv

import "syscall"

// recvfrom is read(2) of a descriptor that does not wait, made so that the race detector
// learns of it. len(b) is not 0.
func recvfrom(fd uintptr, b []byte) (int, syscall.Errno) {
	n, err := syscall.Read(int(fd), b)
	if errno, ok := err.(syscall.Errno); ok {
		return 0, errno
	}
	return n, 0
}
